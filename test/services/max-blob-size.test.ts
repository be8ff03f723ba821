import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { writeResourceName } from '../../src/digest/resource-name.js';
import { bytestream, reapi } from '../../src/proto/index.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import { CapabilitiesService } from '../../src/services/capabilities-service.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { chunks } from '../helpers/chunks.js';
import { hasCode } from '../helpers/has-code.js';

describe('An instance that takes blobs of up to 5 bytes', () => {
  const context = fakeCallContext();
  const invalid = hasCode(Code.InvalidArgument);
  const blob = (text: string) => ({ digest: Digest.of(Buffer.from(text)), data: Buffer.from(text) });
  const [fits, tooLarge] = [blob('hello'), blob('hello!')];
  let blobs: BlobStore;
  let registry: InstanceRegistry;

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    registry = new InstanceRegistry(
      new Map([
        ['', { blobs, maxBlobBytes: 5 }],
        ['free', { blobs }],
      ]),
    );
  });

  const write = ({ digest, data }: typeof fits, instanceName = ''): Promise<bytestream.WriteResponse.$Properties> => {
    const resourceName = writeResourceName(instanceName, 'uuid', digest);
    const requests = (async function* () {
      yield bytestream.WriteRequest.create({ resourceName, data, finishWrite: true });
      // Only what is to be refused at once is refused before this is asked for.
      if (digest === tooLarge.digest && instanceName === '') await new Promise(() => undefined);
    })();
    return new ByteStreamService(registry).write(requests, context);
  };

  it('says so (CAP-1)', async () => {
    const capabilities = new CapabilitiesService(registry);
    const announced = async (instanceName: string): Promise<unknown> =>
      (await capabilities.getCapabilities(reapi.GetCapabilitiesRequest.create({ instanceName }))).cacheCapabilities
        ?.maxCasBlobSizeBytes;

    assert.equal(await announced(''), 5);
    assert.equal(await announced('free'), 0);
  });

  it('refuses larger ones at once, while other instances of the same storage take them (BS-13)', async () => {
    assert.equal((await write(fits)).committedSize, 5);
    await assert.rejects(write(tooLarge), invalid);
    assert.equal((await write(tooLarge, 'free')).committedSize, 6);
  });

  it('refuses them in a batch each for itself (CAS-5)', async () => {
    const requests = [tooLarge, fits].map(({ digest, data }) => ({ digest: digest.toProto(), data }));
    const cas = new ContentAddressableStorageService(registry);

    const { responses } = await cas.batchUpdateBlobs(reapi.BatchUpdateBlobsRequest.create({ requests }), context);

    assert.deepEqual(
      responses?.map(({ status }) => status?.code),
      [Code.InvalidArgument, Code.Ok],
    );
    assert.deepEqual(await blobs.findMissing([tooLarge.digest, fits.digest]), [tooLarge.digest]);
  });

  it('does not make them of chunks (CAS-14)', async () => {
    const [one, two] = [blob('hel'), blob('lo!')];
    await blobs.write(one.digest, chunks('hel'));
    await blobs.write(two.digest, chunks('lo!'));
    const cas = new ContentAddressableStorageService(registry);
    const splice = (instanceName: string): Promise<unknown> =>
      cas.spliceBlob(
        reapi.SpliceBlobRequest.create({
          instanceName,
          blobDigest: tooLarge.digest.toProto(),
          chunkDigests: [one.digest.toProto(), two.digest.toProto()],
        }),
        context,
      );

    await assert.rejects(splice(''), invalid);
    await splice('free');
  });
});
