import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { bytesOnce } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { WeightedSemaphore } from '../../src/common/weighted-semaphore.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, SHA1, SHA512, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { reapi } from '../../src/proto/index.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { maxBatchTotalSizeBytes } from '../../src/services/limits.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

const { Value: FunctionValue } = reapi.DigestFunction;
const { Value: CompressorValue } = reapi.Compressor;

describe('ContentAddressableStorageService', () => {
  const hello = Digest.of(Buffer.from('hello'));
  const context = fakeCallContext();
  let blobs: BlobStore;
  let registry: InstanceRegistry;
  let service: ContentAddressableStorageService;

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    registry = new InstanceRegistry(new Map([['main', { blobs }]]));
    service = new ContentAddressableStorageService(registry);
  });

  const put = async (data: Uint8Array | string): Promise<Digest> => {
    const bytes = Buffer.from(data);
    const digest = Digest.of(bytes);
    assert.deepEqual(await blobs.writeBatch([{ digest, data: bytes }]), [undefined]);
    return digest;
  };

  describe('FindMissingBlobs', () => {
    const find = async (
      blobDigests: reapi.Digest.$Properties[],
      more: Partial<reapi.FindMissingBlobsRequest.$Properties> = {},
    ): Promise<string[]> => {
      const request = reapi.FindMissingBlobsRequest.create({ instanceName: 'main', blobDigests, ...more });
      const { missingBlobDigests } = await service.findMissingBlobs(request, context);
      return (missingBlobDigests ?? []).map(({ hash, sizeBytes }) => `${hash ?? ''}/${sizeBytes ?? 0}`);
    };

    it('returns what is missing, each once, and nothing for nothing (CAS-1)', async () => {
      const there = await put('there');

      assert.deepEqual(await find([hello.toProto(), there.toProto(), hello.toProto()]), [String(hello)]);
      assert.deepEqual(await find([]), []);
    });

    it('never reports the empty blob (DIG-6)', async () => {
      assert.deepEqual(await find([Digest.empty().toProto(), Digest.empty(SHA512).toProto()].slice(0, 1)), []);
      assert.deepEqual(await find([Digest.empty(SHA512).toProto()]), []);
    });

    it('infers the function from the length of the hash, or takes the one that is named (DIG-4, DIG-5)', async () => {
      const sha1 = Digest.of(Buffer.from('hello'), SHA1);

      assert.deepEqual(await find([sha1.toProto()]), [`${sha1.hash}/5`]);
      assert.deepEqual(await find([sha1.toProto()], { digestFunction: FunctionValue.SHA1 }), [`${sha1.hash}/5`]);
      await assert.rejects(
        find([sha1.toProto()], { digestFunction: FunctionValue.SHA256 }),
        hasCode(Code.InvalidArgument),
      );
      await assert.rejects(
        find([hello.toProto()], { digestFunction: FunctionValue.SHA256TREE }),
        hasCode(Code.InvalidArgument),
      );
      await assert.rejects(
        find([sha1.toProto()], { digestFunction: FunctionValue.BLAKE3 }),
        hasCode(Code.InvalidArgument),
      );
    });

    it('keeps a BLAKE3 blob apart from what has the same hash by SHA-256 (DIG-4, DIG-5)', async () => {
      await loadDigestFunctions();
      const blake3 = Digest.of(Buffer.from('hello'), BLAKE3);
      await blobs.write(blake3, bytesOnce(Buffer.from('hello')));

      assert.deepEqual(await find([blake3.toProto()], { digestFunction: FunctionValue.BLAKE3 }), []);
      assert.deepEqual(await find([blake3.toProto()]), [`${blake3.hash}/5`]);
    });

    for (const [what, digest] of [
      ['an upper-case hash', { hash: hello.hash.toUpperCase(), sizeBytes: 5 }],
      ['a short hash', { hash: 'abc', sizeBytes: 5 }],
      ['a negative size', { hash: hello.hash, sizeBytes: -1 }],
      ['size 0 with another hash', { hash: hello.hash, sizeBytes: 0 }],
      ['the empty hash with a size', { hash: Digest.empty().hash, sizeBytes: 1 }],
      ['no fields', {}],
    ] as const) {
      it(`refuses the whole call for a digest with ${what} (CAS-3, DIG-1 to DIG-3)`, async () => {
        await assert.rejects(find([hello.toProto(), digest]), hasCode(Code.InvalidArgument));
      });
    }

    it('refuses an unknown instance with INVALID_ARGUMENT, naming the known ones (INST-2)', async () => {
      await assert.rejects(find([], { instanceName: 'other' }), /"main"/);
      await assert.rejects(find([], { instanceName: 'other' }), hasCode(Code.InvalidArgument));
    });

    it('passes trouble of the store on instead of guessing (CAS-3)', async () => {
      blobs.findMissing = () => Promise.reject(new StatusError(Code.Unavailable, 'down'));

      await assert.rejects(find([hello.toProto()]), hasCode(Code.Unavailable));
    });
  });

  describe('BatchUpdateBlobs', () => {
    const update = async (
      requests: reapi.BatchUpdateBlobsRequest.Request.$Properties[],
    ): Promise<(number | null | undefined)[]> => {
      const request = reapi.BatchUpdateBlobsRequest.create({ instanceName: 'main', requests });
      const responses = (await service.batchUpdateBlobs(request, context)).responses ?? [];
      assert.deepEqual(
        responses.map(({ digest }) => digest ?? undefined),
        requests.map(({ digest }) => digest ?? undefined),
      );
      return responses.map(({ status }) => status?.code);
    };

    it('answers OK to a batch of nothing (BST-1)', async () => {
      assert.deepEqual(await update([]), []);
    });

    it('stores the good entries and tells the faults of the others, in order (CAS-5, CAS-7)', async () => {
      const world = Digest.of(Buffer.from('world'));
      const codes = await update([
        { digest: hello.toProto(), data: Buffer.from('hello') },
        { digest: world.toProto(), data: Buffer.from('mundo') },
        { digest: world.toProto(), data: Buffer.from('worlds') },
        { data: Buffer.from('no digest') },
        { digest: { hash: 'abc', sizeBytes: 3 }, data: Buffer.from('abc') },
        { digest: world.toProto(), data: Buffer.from('world'), compressor: CompressorValue.BROTLI },
        { digest: Digest.empty().toProto() },
        { digest: hello.toProto(), data: Buffer.from('hello') },
      ]);

      const { InvalidArgument: bad, Ok: ok } = Code;
      assert.deepEqual(codes, [ok, bad, bad, bad, bad, bad, ok, ok]);
      assert.deepEqual(await blobs.findMissing([hello, world]), [world]);
    });

    it('refuses a batch over the announced limit as a whole (CAS-6)', async () => {
      const data = Buffer.alloc(maxBatchTotalSizeBytes / 2 + 1);
      const digest = Digest.of(data);

      await assert.rejects(
        update([
          { digest: digest.toProto(), data },
          { digest: digest.toProto(), data },
        ]),
        hasCode(Code.InvalidArgument),
      );

      assert.deepEqual(await blobs.findMissing([digest]), [digest]);
    });

    it('counts what the digests claim, too (CAS-6)', async () => {
      await assert.rejects(
        update([{ digest: { hash: hello.hash, sizeBytes: maxBatchTotalSizeBytes + 1 } }]),
        hasCode(Code.InvalidArgument),
      );
    });

    it('takes a batch of exactly the limit', async () => {
      const data = Buffer.alloc(maxBatchTotalSizeBytes, 1);

      assert.deepEqual(await update([{ digest: Digest.of(data).toProto(), data }]), [Code.Ok]);
    });

    it('tells RESOURCE_EXHAUSTED of an entry that finds no room', async () => {
      blobs = new VerifyingBlobStore(new MemoryBlobStore({ maxBytes: 3 }));
      service = new ContentAddressableStorageService(new InstanceRegistry(new Map([['main', { blobs }]])));

      const codes = await update([{ digest: hello.toProto(), data: Buffer.from('hello') }]);

      assert.deepEqual(codes, [Code.ResourceExhausted]);
    });
  });

  describe('BatchReadBlobs', () => {
    const read = async (digests: reapi.Digest.$Properties[]): Promise<[number | null | undefined, string][]> => {
      const request = reapi.BatchReadBlobsRequest.create({ instanceName: 'main', digests });
      const responses = (await service.batchReadBlobs(request, context)).responses ?? [];
      assert.deepEqual(
        responses.map(({ digest }) => digest),
        digests,
      );
      return responses.map(({ status, data }) => [status?.code, Buffer.from(data ?? []).toString()]);
    };

    it('answers OK to a batch of nothing (BST-1)', async () => {
      assert.deepEqual(await read([]), []);
    });

    it('answers each entry, repeated ones too, in order (CAS-5)', async () => {
      await put('hello');
      const absent = Digest.of(Buffer.from('absent'));

      assert.deepEqual(
        await read([
          hello.toProto(),
          absent.toProto(),
          hello.toProto(),
          { hash: 'abc', sizeBytes: 3 },
          Digest.empty().toProto(),
        ]),
        [
          [Code.Ok, 'hello'],
          [Code.NotFound, ''],
          [Code.Ok, 'hello'],
          [Code.InvalidArgument, ''],
          [Code.Ok, ''],
        ],
      );
    });

    it('refuses a batch over the announced limit before it reads (CAS-8)', async () => {
      await assert.rejects(
        read([
          { hash: hello.hash, sizeBytes: maxBatchTotalSizeBytes },
          { hash: hello.hash, sizeBytes: 1 },
        ]),
        hasCode(Code.InvalidArgument),
      );
    });

    it('answers NOT_FOUND for damaged bytes (CAS-4)', async () => {
      const memory = new MemoryBlobStore();
      await memory.writeBatch([{ digest: hello, data: Buffer.from('hallo') }]);
      const instance = { blobs: new VerifyingBlobStore(memory) };
      service = new ContentAddressableStorageService(new InstanceRegistry(new Map([['main', instance]])));

      assert.deepEqual(await read([hello.toProto()]), [[Code.NotFound, '']]);
    });

    it('waits while the batches under way use up the memory for them, and goes on when their calls end (U4)', async () => {
      await put('hello');
      service = new ContentAddressableStorageService(registry, new WeightedSemaphore(200));
      const first = fakeCallContext();
      const second = fakeCallContext();
      const request = reapi.BatchReadBlobsRequest.create({ instanceName: 'main', digests: [hello.toProto()] });
      await service.batchReadBlobs(request, first);
      let isAnswered = false;
      const waiting = service.batchReadBlobs(request, second).then(() => {
        isAnswered = true;
      });

      await new Promise(setImmediate);
      assert.equal(isAnswered, false);
      first.end();

      await waiting;
    });
  });

  it('answers UNIMPLEMENTED for an instance without a CAS', async () => {
    service = new ContentAddressableStorageService(new InstanceRegistry(new Map([['', {}]])));

    await assert.rejects(
      service.findMissingBlobs(reapi.FindMissingBlobsRequest.create({}), context),
      hasCode(Code.Unimplemented),
    );
  });
});
