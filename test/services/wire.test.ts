import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { Channel } from '../../src/client/channel.js';
import { type Method, methods } from '../../src/client/method.js';
import { openChannel } from '../../src/client/open-channel.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { readResourceName } from '../../src/digest/resource-name.js';
import { reapi } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import type { GrpcServer } from '../../src/server/grpc-server.js';
import { listenCas } from '../helpers/cas-server.js';
import { ConfigServer } from '../helpers/config-server.js';
import { FailingBlobStore } from '../helpers/failing-blob-store.js';
import { hasCode } from '../helpers/has-code.js';

/** Which the client library has no use for. */
const getTree = (() => serviceDefinition(serviceNames.cas)['getTree']) as Method<
  reapi.GetTreeRequest.$Properties,
  reapi.GetTreeResponse
>;

/** A field of no message here, with 3 bytes: number 15,000. */
const unknownField = Buffer.from([0xc2, 0xa9, 0x07, 3, 1, 2, 3]);

const blobOf = (data: Uint8Array | string): { digest: Digest; data: Buffer } => {
  const bytes = Buffer.from(data);
  return { digest: Digest.of(bytes), data: bytes };
};

async function upload(channel: Channel, instanceName: string, ...blobs: readonly Uint8Array[]): Promise<void> {
  const requests = blobs.map((data) => ({ digest: Digest.of(data).toProto(), data }));
  const { responses } = await channel.unary(methods.batchUpdateBlobs, { instanceName, requests });
  assert.deepEqual(
    responses.map(({ status }) => status?.code ?? 0),
    blobs.map(() => Code.Ok),
  );
}

describe('A CAS over the wire', () => {
  let memory: MemoryBlobStore;
  let store: FailingBlobStore;
  let server: GrpcServer;
  let channel: Channel;
  const hello = blobOf('hello');

  beforeEach(async () => {
    memory = new MemoryBlobStore();
    store = new FailingBlobStore(memory);
    server = await listenCas(store);
    channel = await openChannel({ url: server.url });
  });

  afterEach(async () => {
    channel[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  async function read(resourceName: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const { data } of channel.serverStream(methods.read, { resourceName }, { headers })) parts.push(data);
    return Buffer.concat(parts).toString();
  }

  it('goes by the name in the request, whatever the header says by which others route (BS-4)', async () => {
    await upload(channel, '', hello.data);
    const name = readResourceName('', hello.digest);
    const header = 'build.bazel.remote.execution.v2.resource-name';

    for (const value of [name, readResourceName('', Digest.of(Buffer.from('absent'))), '../../etc/passwd']) {
      assert.equal(await read(name, { [header]: value }), 'hello');
    }
    const absent = readResourceName('', Digest.of(Buffer.from('absent')));
    await assert.rejects(read(absent, { [header]: name }), hasCode(Code.NotFound));
  });

  it('keeps a message as it came, and reads it although it has unknown fields and another order (DIG-9, DIG-12)', async () => {
    const leaf = reapi.Directory.encode({ files: [{ name: 'file', digest: hello.digest.toProto() }] }).finish();
    const strangeLeaf = Buffer.concat([leaf, unknownField]);
    const link = reapi.Directory.encode({ symlinks: [{ name: 'link', target: 'x' }] }).finish();
    const below = reapi.Directory.encode({
      directories: ['b', 'a'].map((name) => ({ name, digest: Digest.of(strangeLeaf).toProto() })),
    }).finish();
    // The symlinks have the highest tag of the three, and stand first.
    const root = Buffer.concat([unknownField, link, below]);
    await upload(channel, '', hello.data, strangeLeaf, root);

    const rootDigest = Digest.of(root).toProto();
    const { responses } = await channel.unary(methods.batchReadBlobs, { digests: [rootDigest] });
    assert.ok(root.equals(responses[0]?.data ?? Buffer.alloc(0)));
    const pages = channel.serverStream(getTree, { rootDigest });
    const found: reapi.GetTreeResponse['directories'] = [];
    for await (const { directories } of pages) found.push(...directories);
    assert.deepEqual(
      found.map(({ directories, files, symlinks }) => [directories?.length, files?.length, symlinks?.length]),
      [
        [2, 0, 1],
        [0, 1, 0],
      ],
    );
  });

  it('answers UNAVAILABLE while its storage is away, each blob for itself where the call has entries (CAS-3, CAS-5)', async () => {
    await upload(channel, '', hello.data);
    store.isDown = true;
    const digests = [hello.digest.toProto(), Digest.empty().toProto()];

    const { responses } = await channel.unary(methods.batchReadBlobs, { digests });

    assert.deepEqual(
      responses.map(({ status }) => status?.code ?? 0),
      [Code.Unavailable, Code.Ok],
    );
    await assert.rejects(channel.unary(methods.findMissingBlobs, { blobDigests: digests }), hasCode(Code.Unavailable));
    await assert.rejects(read(readResourceName('', hello.digest), {}), hasCode(Code.Unavailable));
  });

  it('answers INTERNAL, and no raw error, to a fault that nobody has thought of (CAS-5, RT-1)', async () => {
    await upload(channel, '', hello.data);
    memory.read = () => {
      throw new TypeError('secret of the inside');
    };

    const { responses } = await channel.unary(methods.batchReadBlobs, { digests: [hello.digest.toProto()] });

    assert.equal(responses[0]?.status?.code, Code.Internal);
    await assert.rejects(read(readResourceName('', hello.digest), {}), hasCode(Code.Internal));
  });

  it('tells bytes that rotted as a missing blob when none was sent yet, and then has it no more (CAS-4)', async () => {
    await memory.writeBatch([{ digest: hello.digest, data: Buffer.from('hallo') }]);

    await assert.rejects(read(readResourceName('', hello.digest), {}), hasCode(Code.NotFound));

    const { missingBlobDigests } = await channel.unary(methods.findMissingBlobs, {
      blobDigests: [hello.digest.toProto()],
    });
    assert.equal(missingBlobDigests.length, 1);
  });
});

describe('RequestMetadata (RM-2)', () => {
  const text = `
instances:
  - name: main
    storages: [!lru-storage &cas {size: 1M}]
    caches: [!action-cache &results {storage: *cas}]
    services: [!cas {storage: *cas}, *results, !execution {storage: *cas, action-cache: *results}]
  - name: readers
    read-only: true
    services: [!cas {storage: *cas}, *results]
`;

  it('finds the operations of a build, and is neither a right nor a part of any key', async () => {
    await using server = await ConfigServer.start(text);
    using one = await openChannel({ url: server.url, requestMetadata: { toolInvocationId: 'build one' } });
    using two = await openChannel({ url: server.url, requestMetadata: { toolInvocationId: 'build two' } });
    const command = reapi.Command.encode({ arguments: ['true'] }).finish();
    const inputRootDigest = Digest.empty().toProto();
    const action = reapi.Action.encode({ commandDigest: Digest.of(command).toProto(), inputRootDigest }).finish();
    await upload(one, 'main', command, action);
    const actionDigest = Digest.of(action).toProto();

    for await (const { name } of one.serverStream(methods.execute, { instanceName: 'main', actionDigest })) {
      const list = async (id: string): Promise<string[]> => {
        const request = { name: 'main', filter: `tool_invocation_id=${id}` };
        return (await two.unary(methods.listOperations, request)).operations.map((each) => each.name ?? '');
      };
      assert.deepEqual(await list('build one'), [name]);
      assert.deepEqual(await list('build two'), []);
      break;
    }
    const actionResult = { stdoutRaw: Buffer.from('from one') };
    await one.unary(methods.updateActionResult, { instanceName: 'main', actionDigest, actionResult });
    const found = await two.unary(methods.getActionResult, { instanceName: 'main', actionDigest });
    assert.equal(found.stdoutDigest?.hash, Digest.of(Buffer.from('from one')).hash);
    await assert.rejects(
      one.unary(methods.updateActionResult, { instanceName: 'readers', actionDigest, actionResult }),
      hasCode(Code.PermissionDenied),
    );
  });
});
