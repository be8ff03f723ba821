import assert from 'node:assert/strict';
import type { Channel } from '../../src/client/channel.js';
import { type Method, methods } from '../../src/client/method.js';
import { openChannel } from '../../src/client/open-channel.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { readResourceName, writeResourceName } from '../../src/digest/resource-name.js';
import type { bytestream } from '../../src/proto/index.js';
import { reapi } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { ConfigServer } from '../helpers/config-server.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** Large enough that its pieces are blobs of their own. */
const large = patternedBytes(5 * 1024 * 1024);
const file = Buffer.from('file');
const leaf = reapi.Directory.encode({ files: [{ name: 'file', digest: Digest.of(file).toProto() }] }).finish();
const root = reapi.Directory.encode({
  directories: [{ name: 'leaf', digest: Digest.of(leaf).toProto() }],
}).finish();
const half = Buffer.alloc(300_000, 'half');
const actionDigest = Digest.of(Buffer.from('action')).toProto();
const actionResult = { outputFiles: [{ path: 'file', digest: Digest.of(file).toProto() }] };
const uuid = '7c8b9f7e-1a2b-4c3d-8e9f-001122334455';

/** Methods that the client library has no use for. */
const casMethod = (name: string): Method<object, object> =>
  (() => serviceDefinition(serviceNames.cas)[name]) as Method<object, object>;

/** What an instance has of a call's answer, or `undefined` for what is not found. */
async function unlessNotFound<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((reason: unknown) => {
    if (reason instanceof StatusError && reason.code === Code.NotFound) return undefined;
    throw reason;
  });
}

async function gathered<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of stream) all.push(each);
  return all;
}

/** One instance of a server, as a client sees it. */
class InstanceView {
  readonly #channel: Channel;
  readonly #instanceName: string;

  constructor(channel: Channel, instanceName: string) {
    this.#channel = channel;
    this.#instanceName = instanceName;
  }

  /** Stores blobs, a result, and the first half of an upload. */
  async fill(): Promise<void> {
    await this.#upload(large, large.length);
    const requests = [file, leaf, root].map((data) => ({ digest: Digest.of(data).toProto(), data }));
    const { responses } = await this.#call(methods.batchUpdateBlobs, { requests });
    assert.deepEqual(
      responses.map(({ status }) => status?.code ?? 0),
      [0, 0, 0],
    );
    await this.#call(methods.updateActionResult, { actionDigest, actionResult });
    // A stream that ends too soon is refused, and kept for a while.
    await assert.rejects(this.#upload(half, half.length / 2), /finish_write/);
  }

  /** Which kinds of calls see what another instance was filled with. */
  async sees(): Promise<Readonly<Record<string, boolean>>> {
    const digests = [large, file, leaf, root].map((data) => Digest.of(data).toProto());
    const { missingBlobDigests } = await this.#call(methods.findMissingBlobs, { blobDigests: digests });
    const { responses } = await this.#call(methods.batchReadBlobs, { digests: digests.slice(1) });
    const resourceName = readResourceName(this.#instanceName, Digest.of(large));
    const rootDigest = Digest.of(root).toProto();
    return {
      FindMissingBlobs: this.#allOrNone(digests.length - missingBlobDigests.length, digests.length),
      BatchReadBlobs: this.#allOrNone(responses.filter(({ status }) => (status?.code ?? 0) === 0).length, 3),
      Read: (await unlessNotFound(gathered(this.#channel.serverStream(methods.read, { resourceName })))) !== undefined,
      GetTree:
        (await unlessNotFound(
          gathered(this.#channel.serverStream(casMethod('getTree'), { instanceName: this.#instanceName, rootDigest })),
        )) !== undefined,
      SplitBlob: (await unlessNotFound(this.#call(casMethod('splitBlob'), { blobDigest: digests[0] }))) !== undefined,
      SpliceBlob:
        (await unlessNotFound(
          this.#call(casMethod('spliceBlob'), { blobDigest: Digest.of(file).toProto(), chunkDigests: [digests[1]] }),
        )) !== undefined,
      GetActionResult: (await unlessNotFound(this.#call(methods.getActionResult, { actionDigest }))) !== undefined,
      QueryWriteStatus: (await this.#statusOf(large)).complete,
    };
  }

  /** How much of an upload is known that broke off in the middle. */
  async begunBytes(): Promise<number> {
    return (await this.#statusOf(half)).committedSize;
  }

  /** Goes on with the upload that broke off in the middle. */
  async goOn(): Promise<void> {
    await this.#upload(half, half.length, half.length / 2);
  }

  #allOrNone(count: number, of: number): boolean {
    assert.ok(count === 0 || count === of, `${count} of ${of}`);
    return count > 0;
  }

  #call<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return this.#channel.unary(method, { ...request, instanceName: this.#instanceName });
  }

  async #statusOf(data: Buffer): Promise<{ committedSize: number; complete: boolean }> {
    const resourceName = writeResourceName(this.#instanceName, uuid, Digest.of(data));
    const { committedSize, complete } = await this.#channel.unary(methods.queryWriteStatus, { resourceName });
    return { committedSize, complete };
  }

  async #upload(data: Buffer, end: number, begin = 0): Promise<void> {
    const resourceName = writeResourceName(this.#instanceName, uuid, Digest.of(data));
    const messages = async function* (): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      const pieceBytes = 1024 * 1024;
      for (let at = begin; at < end; at += pieceBytes) {
        const piece = data.subarray(at, Math.min(end, at + pieceBytes));
        const finishWrite = at + piece.length === data.length;
        yield { resourceName, writeOffset: at, data: piece, finishWrite };
      }
    };
    await this.#channel.clientStream(methods.write, messages());
  }
}

const all = (sees: boolean): Readonly<Record<string, boolean>> => ({
  FindMissingBlobs: sees,
  BatchReadBlobs: sees,
  Read: sees,
  GetTree: sees,
  SplitBlob: sees,
  SpliceBlob: sees,
  GetActionResult: sees,
  QueryWriteStatus: sees,
});

const services = (cas: string, results: string): string =>
  `services: [!cas {storage: *${cas}}, !bytestream {storage: *${cas}}, *${results}]`;

/** A storage of some kind with an anchor. */
const kinds: Readonly<Record<string, (name: string, folder: string) => string>> = {
  'in memory': (name) => `!lru-storage &${name} {size: 100M}`,
  'on disk': (name, folder) => `!disk-storage &${name} {path: ${folder}/${name}, size: 1G}`,
  'on disk, behind a cache in memory': (name, folder) =>
    `!with-cache-storage &${name} {cache: !lru-storage {size: 100M}, fallback: !disk-storage {path: ${folder}/${name}, size: 1G}}`,
};

describe('Instances of a server (S7)', function () {
  this.timeout(60_000);

  for (const [kind, storageOf] of Object.entries(kinds)) {
    describe(`with storages ${kind}`, () => {
      let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
      let server: ConfigServer;
      let channel: Channel;
      /** `one` and `shares` have the same store. */
      let views: Readonly<Record<'one' | 'shares' | 'another', InstanceView>>;

      beforeEach(async () => {
        folder = await temporaryDirectory();
        server = await ConfigServer.start(`
instances:
  - name: one
    storages: [${storageOf('first', folder.path)}]
    caches: [!action-cache &results {storage: *first}]
    ${services('first', 'results')}
  - name: one/shares
    ${services('first', 'results')}
  - name: another
    storages: [${storageOf('second', folder.path)}]
    caches: [!action-cache &others {storage: *second}]
    ${services('second', 'others')}
`);
        channel = await openChannel({ url: server.url });
        const view = (name: string): InstanceView => new InstanceView(channel, name);
        views = { one: view('one'), shares: view('one/shares'), another: view('another') };
      });

      afterEach(async () => {
        channel[Symbol.dispose]();
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      });

      it('see nothing of what another has in another store', async () => {
        await views.one.fill();

        assert.deepEqual(await views.another.sees(), all(false));
        assert.equal(await views.another.begunBytes(), 0);
        await assert.rejects(views.another.goOn(), { code: Code.InvalidArgument });
        assert.deepEqual(await views.one.sees(), all(true));
        assert.equal(await views.one.begunBytes(), half.length / 2);
      });

      it('see all of what another has in the same store, and no half of an upload', async () => {
        await views.one.fill();

        assert.deepEqual(await views.shares.sees(), all(true));
        assert.equal(await views.shares.begunBytes(), 0);
        await assert.rejects(views.shares.goOn(), { code: Code.InvalidArgument });
        await views.one.goOn();
        assert.equal(await views.shares.begunBytes(), half.length);
        assert.equal(await views.another.begunBytes(), 0);
      });
    });
  }
});
