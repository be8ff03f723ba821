import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import type { Channel } from '../../src/client/channel.js';
import { methods } from '../../src/client/method.js';
import { openChannel } from '../../src/client/open-channel.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { parseReadResource, readResourceName } from '../../src/digest/resource-name.js';
import { reapi } from '../../src/proto/index.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { ConfigServer } from '../helpers/config-server.js';
import { ScriptedServer } from '../helpers/scripted-server.js';

interface Blob {
  readonly digest: Digest;
  readonly data: Buffer;
}

const blobOf = (data: Uint8Array): Blob => ({ digest: Digest.of(data), data: Buffer.from(data) });

/** One that travels in a batch, and one that is streamed. */
const small = blobOf(Buffer.alloc(500, 'small'));
const large = blobOf(Buffer.alloc(3_000_000, 'large'));
const other = blobOf(Buffer.alloc(500, 'other'));
const root = blobOf(reapi.Directory.encode({ files: [{ name: 'f', digest: small.digest.toProto() }] }).finish());
const truth = new Map([small, large, other, root].map((each) => [each.digest.hash, each.data]));

/** What a remote says instead of the truth. */
const lies: Readonly<Record<string, (data: Buffer) => Buffer>> = {
  'other bytes of the right size': (data) => Buffer.alloc(data.length, 'x'),
  'a last bit that is wrong': (data) => {
    const copy = Buffer.from(data);
    copy[copy.length - 1]! ^= 1;
    return copy;
  },
  'a first bit that is wrong': (data) => {
    const copy = Buffer.from(data);
    copy[0]! ^= 1;
    return copy;
  },
  'too few bytes': (data) => data.subarray(0, data.length - 1),
  'too many bytes': (data) => Buffer.concat([data, Buffer.from('!')]),
  'another blob': () => other.data,
};

const messageBytes = 700_000;

/** A remote that answers with `lie` wherever it is asked for bytes. */
function follow(remote: ScriptedServer, lie: (data: Buffer) => Buffer): void {
  const answer = (hash: string | null | undefined): Buffer => lie(truth.get(hash ?? '')!);
  remote.script = {
    getCapabilities: () => ({ cacheCapabilities: { digestFunctions: [reapi.DigestFunction.Value.SHA256] } }),
    findMissingBlobs: () => ({}),
    batchReadBlobs: ({ digests }) => ({
      responses: digests.map((digest) => ({ digest, data: answer(digest.hash) })),
    }),
    async *read({ resourceName, readOffset }) {
      const data = answer(parseReadResource(resourceName).digest.hash);
      for (let at = readOffset; at < data.length; at += messageBytes) {
        yield { data: data.subarray(at, at + messageBytes) };
      }
    },
  };
}

describe('A remote that lies (D2)', function () {
  this.timeout(60_000);
  let remote: ScriptedServer;

  beforeEach(async () => {
    remote = await ScriptedServer.listen();
  });

  afterEach(() => remote[Symbol.asyncDispose]());

  describe('behind !remote-storage', () => {
    let gate: ConfigServer;
    let channel: Channel;

    beforeEach(async () => {
      gate = await ConfigServer.start(`
instances:
  - name: main
    storages: [!remote-storage &cas {url: '${remote.url}', instance-name: main}]
    services:
      - !cas {storage: *cas}
      - !bytestream {storage: *cas}
`);
      channel = await openChannel({ url: gate.url, callTimeoutMs: 30_000 });
    });

    afterEach(async () => {
      channel[Symbol.dispose]();
      await gate[Symbol.asyncDispose]();
    });

    /** What a client has when the stream has ended well. */
    async function read({ digest }: Blob): Promise<Buffer> {
      const parts: Uint8Array[] = [];
      const request = { resourceName: readResourceName('main', digest) };
      for await (const { data } of channel.serverStream(methods.read, request)) parts.push(data);
      return Buffer.concat(parts);
    }

    /** Of a small one nothing was sent yet: it counts as missing. One that ends too early may come whole another time. */
    function isTold(reason: unknown, { digest }: Blob): true {
      assert.ok(reason instanceof StatusError);
      const { code, message } = reason;
      assert.ok(code === Code.NotFound || code === Code.DataLoss || code === Code.Unavailable, message);
      assert.ok(message.includes(digest.hash), message);
      return true;
    }

    for (const [what, lie] of Object.entries(lies)) {
      it(`ends no read well with ${what}, and names the blob`, async () => {
        follow(remote, lie);

        const request = { instanceName: 'main', digests: [small.digest.toProto()] };
        const [{ responses }] = await Promise.all([
          channel.unary(methods.batchReadBlobs, request),
          ...[small, large].map((blob) => assert.rejects(read(blob), (reason) => isTold(reason, blob))),
        ]);
        assert.deepEqual(
          responses.map(({ data, status }) => [data?.length ?? 0, (status?.code ?? 0) !== 0]),
          [[0, true]],
        );
      });
    }

    it('has no part in what else it names: entries and blobs that nobody has asked for', async () => {
      follow(remote, (data) => data);
      const uninvited = { digest: other.digest.toProto(), data: Buffer.from('uninvited') };
      remote.script.batchReadBlobs = ({ digests }) => ({
        responses: [uninvited, ...digests.map((digest) => ({ digest, data: small.data })), uninvited, {}],
      });
      remote.script.findMissingBlobs = ({ blobDigests }) => ({
        missingBlobDigests: [
          other.digest.toProto(),
          { hash: 'nonsense', sizeBytes: -1 },
          {},
          ...blobDigests.slice(0, 1),
        ],
      });

      const digests = [small.digest.toProto()];
      const { responses } = await channel.unary(methods.batchReadBlobs, { instanceName: 'main', digests });
      const { missingBlobDigests } = await channel.unary(methods.findMissingBlobs, {
        instanceName: 'main',
        blobDigests: [small, large].map(({ digest }) => digest.toProto()),
      });

      assert.deepEqual(
        responses.map(({ digest, data }) => [digest?.hash, Buffer.from(data ?? []).toString()]),
        [[small.digest.hash, small.data.toString()]],
      );
      assert.deepEqual(
        missingBlobDigests.map(({ hash }) => hash),
        [small.digest.hash],
      );
    });

    it('fails an entry that it leaves out, read or stored', async () => {
      follow(remote, (data) => data);
      remote.script.batchReadBlobs = () => ({ responses: [] });
      remote.script.batchUpdateBlobs = () => ({ responses: [{ digest: other.digest.toProto() }] });

      const request = { instanceName: 'main', digests: [small.digest.toProto()] };
      const [{ responses: found }, { responses: stored }] = await Promise.all([
        channel.unary(methods.batchReadBlobs, request),
        channel.unary(methods.batchUpdateBlobs, {
          instanceName: 'main',
          requests: [{ digest: small.digest.toProto(), data: small.data }],
        }),
      ]);

      for (const { status } of [...found, ...stored]) {
        assert.notEqual(status?.code ?? 0, 0);
        assert.match(status?.message ?? '', /leaves out blob/);
      }
      assert.deepEqual([found.length, stored.length], [1, 1]);
    });
  });

  describe('asked by bgd cas', () => {
    let site: BgdSite;

    beforeEach(async () => {
      site = await BgdSite.create();
    });

    afterEach(() => site[Symbol.asyncDispose]());

    for (const what of ['other bytes of the right size', 'too few bytes', 'too many bytes'] as const) {
      it(`leaves no file behind when it sends ${what}, and names the blob`, async () => {
        follow(remote, lies[what]!);
        const download = (kind: string, { digest }: Blob, path: string): string[] => {
          return ['cas', kind, '--remote', remote.url, '--instance-name', 'main', String(digest), path];
        };

        const downloads = [
          ['download-file', small],
          ['download-file', large],
          ['download-dir', root],
        ] as const;
        await Promise.all(
          downloads.map(async ([kind, blob], index) => {
            const { code, stderr } = await site.bgd(download(kind, blob, `out-${index}`)).ended;
            assert.notEqual(code, 0);
            assert.match(stderr, new RegExp(`^Error: .*${blob.digest.hash}.*$`, 'm'));
          }),
        );
        assert.deepEqual(await readdir(site.home), []);
      });
    }
  });
});
