import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { bytesOnce } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest, type DigestMessage } from '../../src/digest/digest.js';
import { BLAKE3, SHA256, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { reapi } from '../../src/proto/index.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

const mebibyte = 1024 * 1024;
const full = new StatusError(Code.ResourceExhausted, 'The store is full');
const invalid = hasCode(Code.InvalidArgument);
const { UNKNOWN, FAST_CDC_2020, REP_MAX_CDC } = reapi.ChunkingFunction.Value;

describe('ContentAddressableStorageService cutting and joining blobs', () => {
  const context = fakeCallContext();
  const data = patternedBytes(9 * mebibyte);
  let inner: MemoryBlobStore;
  let blobs: BlobStore;
  let service: ContentAddressableStorageService;

  before(loadDigestFunctions);

  const serve = (store: MemoryBlobStore): void => {
    inner = store;
    blobs = new VerifyingBlobStore(inner);
    service = new ContentAddressableStorageService(new InstanceRegistry(new Map([['', { blobs }]])));
  };

  beforeEach(() => serve(new MemoryBlobStore()));

  const put = async (bytes: Uint8Array, fn = SHA256): Promise<Digest> => {
    const digest = Digest.of(bytes, fn);
    await blobs.write(digest, bytesOnce(bytes));
    return digest;
  };
  const split = async (blob: Digest | undefined, chunkingFunction = UNKNOWN): Promise<Digest[]> => {
    const digestFunction = (blob?.function ?? SHA256).value;
    const request = { blobDigest: blob?.toProto() ?? null, digestFunction, chunkingFunction };
    const response = await service.splitBlob(reapi.SplitBlobRequest.create(request), context);
    assert.equal(response.chunkingFunction, FAST_CDC_2020);
    return (response.chunkDigests ?? []).map((chunk) => Digest.fromProto(chunk, blob?.function ?? SHA256));
  };
  const splice = async (blob: DigestMessage | null, chunks: readonly DigestMessage[], fn = SHA256): Promise<Digest> => {
    const request = { blobDigest: blob, chunkDigests: [...chunks], digestFunction: fn.value };
    const { blobDigest } = await service.spliceBlob(reapi.SpliceBlobRequest.create(request), context);
    return Digest.fromProto(blobDigest, fn);
  };

  describe('SplitBlob', () => {
    for (const fn of [SHA256, BLAKE3]) {
      it(`stores chunks that make the blob, of the limits announced, in ${fn.name} (CAS-13, CAS-15)`, async () => {
        const blob = await put(data, fn);

        const chunks = await split(blob, fn === SHA256 ? UNKNOWN : REP_MAX_CDC);

        assert.ok(chunks.length > 4);
        for (const { sizeBytes } of chunks) assert.ok(sizeBytes <= 2 * mebibyte);
        for (const { sizeBytes } of chunks.slice(0, -1)) assert.ok(sizeBytes >= mebibyte / 8);
        assert.deepEqual(await blobs.findMissing(chunks), []);
        const joined = Buffer.concat(await Promise.all(chunks.map((chunk) => readBlob(blobs, chunk))));
        assert.ok(joined.equals(data));
      });
    }

    it('leaves blobs whole that are smaller than the largest chunk (CAS-15)', async () => {
      for (const size of [1, 1_000, 2 * mebibyte - 1]) {
        const blob = await put(patternedBytes(size));
        assert.deepEqual((await split(blob)).map(String), [String(blob)]);
      }
      assert.deepEqual((await split(Digest.empty())).map(String), [String(Digest.empty())]);
      const large = await put(patternedBytes(2 * mebibyte));
      assert.ok((await split(large)).length > 1);
    });

    it('is NOT_FOUND for a blob that is not there, and refuses none (CAS-13, DIG-3)', async () => {
      await assert.rejects(split(Digest.of(data)), hasCode(Code.NotFound));
      await assert.rejects(split(Digest.of(Buffer.from('small'))), hasCode(Code.NotFound));
      await assert.rejects(split(undefined), invalid);
    });

    it('is RESOURCE_EXHAUSTED when there is no room for the chunks (CAS-13)', async () => {
      const blob = await put(data);
      inner.writeBatch = (many) => Promise.resolve(many.map(() => full));

      await assert.rejects(split(blob), hasCode(Code.ResourceExhausted));
    });
  });

  describe('SpliceBlob', () => {
    const parts = [
      data.subarray(0, mebibyte + 5),
      data.subarray(mebibyte + 5, 3 * mebibyte),
      data.subarray(3 * mebibyte),
    ];
    const blob = Digest.of(data);
    const chunksOf = (fn = SHA256): Promise<Digest[]> => Promise.all(parts.map((part) => put(part, fn)));

    it('makes the blob of its chunks, in any function (CAS-14)', async () => {
      for (const fn of [SHA256, BLAKE3]) {
        const wanted = Digest.of(data, fn);
        const made = await splice(wanted.toProto(), await chunksOf(fn), fn);

        assert.ok(made.equals(wanted));
        assert.ok((await readBlob(blobs, wanted)).equals(data));
      }
    });

    it('undoes what SplitBlob did (CAS-13, CAS-14)', async () => {
      const chunks = await split(await put(data));
      await blobs.delete([blob]);

      await splice(blob.toProto(), chunks);

      assert.ok((await readBlob(blobs, blob)).equals(data));
    });

    it('refuses chunks that make another blob, which never becomes visible (CAS-14)', async () => {
      const [first, second, third] = await chunksOf();

      await assert.rejects(splice(blob.toProto(), [second!, first!, third!]), invalid);

      assert.deepEqual(await blobs.findMissing([blob]), [blob]);
    });

    for (const [what, make] of [
      ['no chunks', () => []],
      ['an empty chunk', (chunks: Digest[]) => [...chunks, Digest.empty()]],
      ['too few bytes', (chunks: Digest[]) => chunks.slice(1)],
      ['too many bytes', (chunks: Digest[]) => [...chunks, ...chunks.slice(0, 1)]],
      ['a malformed chunk', (chunks: Digest[]) => [...chunks, { hash: 'abc', sizeBytes: 3 }]],
    ] as const) {
      it(`refuses ${what}, also for a blob that is there (CAS-14)`, async () => {
        const chunks = await chunksOf();
        await assert.rejects(splice(blob.toProto(), make(chunks)), invalid);
        await put(data);

        await assert.rejects(splice(blob.toProto(), make(chunks)), invalid);
      });
    }

    it('refuses a blob that is not named (CAS-14)', async () => {
      await assert.rejects(splice(null, await chunksOf()), invalid);
    });

    it('is NOT_FOUND when a chunk is missing, before or while it is read (CAS-14)', async () => {
      const chunks = await chunksOf();
      await blobs.delete(chunks.slice(2));
      await assert.rejects(splice(blob.toProto(), chunks), hasCode(Code.NotFound));

      inner.findMissing = () => Promise.resolve([blob]);
      await assert.rejects(splice(blob.toProto(), chunks), hasCode(Code.NotFound));
    });

    it('is NOT_FOUND when a chunk is damaged (CAS-14, CAS-4)', async () => {
      const chunks = await chunksOf();
      const [digest] = chunks.slice(2);
      await blobs.delete([digest!]);
      await inner.writeBatch([{ digest: digest!, data: Buffer.alloc(digest!.sizeBytes) }]);

      await assert.rejects(splice(blob.toProto(), chunks), hasCode(Code.NotFound));
    });

    it('is RESOURCE_EXHAUSTED when there is no room (CAS-14)', async () => {
      serve(new MemoryBlobStore({ maxBytes: data.length + 10 }));
      const chunks = await chunksOf();
      inner.write = () => Promise.reject(full);

      await assert.rejects(splice(blob.toProto(), chunks), hasCode(Code.ResourceExhausted));
    });

    it('is OK for a blob that is there, and refreshes the chunks that are (CAS-14)', async () => {
      const chunks = await chunksOf();
      await put(data);
      await blobs.delete(chunks.slice(0, 1));
      const asked: string[] = [];
      const findMissing = inner.findMissing.bind(inner);
      inner.findMissing = (digests, signal) => {
        asked.push(...digests.map(String));
        return findMissing(digests, signal);
      };

      assert.ok((await splice(blob.toProto(), chunks)).equals(blob));

      assert.deepEqual(asked, [blob, ...chunks].map(String));
    });
  });
});
