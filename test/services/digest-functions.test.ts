import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { reapi } from '../../src/proto/index.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { ExecutionService } from '../../src/services/execution-service.js';
import { InstanceRegistry, type InstanceExecution } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

const digestFunction = reapi.DigestFunction.Value.BLAKE3;

describe('BLAKE3 over the wire', () => {
  const blobs = new VerifyingBlobStore(new MemoryBlobStore());
  const context = fakeCallContext();

  before(loadDigestFunctions);

  const put = async (data: Uint8Array): Promise<Digest> => {
    const digest = Digest.of(data, BLAKE3);
    assert.deepEqual(await blobs.writeBatch([{ digest, data }]), [undefined]);
    return digest;
  };

  it('holds for everything that is reachable from one digest of a request (DIG-5)', async () => {
    const leaf = await put(reapi.Directory.encode({ files: [{ name: 'f' }] }).finish());
    const root = await put(reapi.Directory.encode({ directories: [{ name: 'd', digest: leaf.toProto() }] }).finish());
    const service = new ContentAddressableStorageService(new InstanceRegistry(new Map([['', { blobs }]])));
    const request = reapi.GetTreeRequest.create({ rootDigest: root.toProto(), digestFunction });

    const names: string[] = [];
    for await (const { directories } of service.getTree(request, context)) {
      names.push(...(directories ?? []).flatMap(({ files }) => (files ?? []).map(({ name }) => name ?? '')));
    }

    assert.deepEqual(names, ['f']);
  });

  it('is refused for executions, whose leases could not carry it (RW-9)', async () => {
    // Refused before anything is looked up.
    const execution = { blobs } as unknown as InstanceExecution;
    const service = new ExecutionService(new InstanceRegistry(new Map([['', { execution }]])));
    const actionDigest = Digest.of(Buffer.from('action'), BLAKE3).toProto();
    const request = reapi.ExecuteRequest.create({ actionDigest, digestFunction });

    const first = service.execute(request, context)[Symbol.asyncIterator]();

    await assert.rejects(first.next(), hasCode(Code.InvalidArgument));
    await assert.rejects(service.execute(request, context)[Symbol.asyncIterator]().next(), /only cached/);
  });
});
