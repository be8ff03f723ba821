import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, SHA1, SHA256, SHA384, SHA512, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { decodeMessage } from '../../src/proto/any.js';
import { reapi } from '../../src/proto/index.js';
import { BatchUpdateBytes } from '../../src/services/batch-update-bytes.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';

/** A request is stored from its bytes where it can be, and otherwise decoded: nobody can tell which. */
describe('BatchUpdateBlobs over bytes', () => {
  const { ZSTD, IDENTITY } = reapi.Compressor.Value;
  const context = fakeCallContext();
  let blobs: BlobStore;
  let service: ContentAddressableStorageService;
  /** Where all requests are decoded. */
  let decoding: ReturnType<typeof open>;

  before(loadDigestFunctions);

  const open = (): { blobs: BlobStore; service: ContentAddressableStorageService } => {
    const blobs = new VerifyingBlobStore(new MemoryBlobStore());
    const names = { 'a/b': { blobs }, readonly: { blobs, isReadOnly: true }, small: { blobs, maxBlobBytes: 300 } };
    const registry = new InstanceRegistry(new Map(Object.entries(names)), { blobs });
    return { blobs, service: new ContentAddressableStorageService(registry) };
  };

  beforeEach(() => {
    ({ blobs, service } = open());
    decoding = open();
  });

  const encode = (request: reapi.BatchUpdateBlobsRequest.$Properties): Buffer =>
    Buffer.from(reapi.BatchUpdateBlobsRequest.encode(request).finish());

  const entryOf = (content: string | Buffer, fn = SHA256) => {
    const data = Buffer.from(content);
    return { digest: Digest.of(data, fn).toProto(), data };
  };

  /** What a method returned, or the code and text of what it threw. */
  const outcomeOf = async (task: () => unknown): Promise<unknown> => {
    try {
      return await task();
    } catch (reason) {
      const { code, message } = StatusError.from(reason);
      return { code, message };
    }
  };

  const answer = (request: Buffer): Promise<unknown> =>
    outcomeOf(async () => Buffer.from(await service.raw.batchUpdateBlobs(request, context)).toString('hex'));

  const answerOfDecoded = (request: Buffer): Promise<unknown> =>
    outcomeOf(async () => {
      const decoded = decodeMessage('a BatchUpdateBlobsRequest', reapi.BatchUpdateBlobsRequest, request);
      const response = await decoding.service.batchUpdateBlobs(decoded, context);
      return Buffer.from(reapi.BatchUpdateBlobsResponse.encode(response).finish()).toString('hex');
    });

  /** The codes in a response. */
  const codesOf = async (request: Buffer): Promise<unknown> => {
    const response = reapi.BatchUpdateBlobsResponse.decode(await service.raw.batchUpdateBlobs(request, context));
    return response.responses.map(({ status }) => status?.code);
  };

  const isTakenFromBytes = (request: Buffer): boolean => BatchUpdateBytes.parse(request) !== undefined;

  /** The same answer, and the same blobs in the store. */
  const assertSame = async (request: Buffer, hint?: string): Promise<void> => {
    assert.deepEqual(await answer(request), await answerOfDecoded(request), hint);
    const wanted = BatchUpdateBytes.parse(request)?.blobs.map(({ digest }) => digest) ?? [];
    assert.deepEqual(await blobs.findMissing(wanted), await decoding.blobs.findMissing(wanted), hint);
  };

  for (const fn of [SHA256, SHA1, SHA384, BLAKE3]) {
    it(`stores blobs of ${fn.name}, and answers each (CAS-7)`, async () => {
      const contents = ['a', 'bb', 'c'.repeat(200), 'd'.repeat(20_000), 'e'.repeat(70_000)];
      const requests = contents.map((content) => entryOf(content, fn));
      const request = encode({ instanceName: 'a/b', requests, digestFunction: fn.value });

      assert.ok(isTakenFromBytes(request));
      assert.deepEqual(await codesOf(request), [0, 0, 0, 0, 0]);
      for (const content of contents) {
        const found = await readBlob(blobs, Digest.of(Buffer.from(content), fn));
        assert.equal(found.toString(), content);
      }
      await assertSame(request);
    });
  }

  it('infers the function of each blob from the length of its hash (DIG-4)', async () => {
    const request = encode({ requests: [entryOf('a', SHA1), entryOf('b'), entryOf('c', SHA384)] });

    assert.ok(isTakenFromBytes(request));
    assert.deepEqual(await codesOf(request), [0, 0, 0]);
    await assertSame(request);
  });

  it('fails what is wrong alone (CAS-7)', async () => {
    const { digest } = entryOf('right');
    const wrong = { digest, data: Buffer.from('wrong') };
    const short = { digest, data: Buffer.from('rig') };
    const request = encode({ requests: [entryOf('a'), wrong, short, { digest }, entryOf('b')] });

    assert.ok(isTakenFromBytes(request));
    const { InvalidArgument } = Code;
    assert.deepEqual(await codesOf(request), [0, InvalidArgument, InvalidArgument, InvalidArgument, 0]);
    assert.deepEqual((await blobs.findMissing([Digest.of(Buffer.from('a')), Digest.of(Buffer.from('b'))])).length, 0);
    await assertSame(request);
  });

  it('takes the empty blob, with and without a field for its bytes (DIG-6)', async () => {
    const digest = Digest.empty().toProto();
    const request = encode({ requests: [{ digest }, { digest, data: Buffer.alloc(0) }] });

    assert.ok(isTakenFromBytes(request));
    assert.deepEqual(await codesOf(request), [0, 0]);
    await assertSame(request);
  });

  it('answers no blobs with none, and the same blob twice', async () => {
    await assertSame(encode({}));
    await assertSame(encode({ requests: [entryOf('a'), entryOf('a')] }));
  });

  it('refuses with the same words as if the request was decoded (CAS-6, INST-2, BS-13)', async () => {
    const requests = [entryOf('a'), entryOf('b'.repeat(301))];
    for (const instanceName of ['readonly', 'small', 'blobs', 'a//b', 'ä', 'other']) {
      await assertSame(encode({ instanceName, requests }), instanceName);
    }
    const large = entryOf(Buffer.alloc(2 * 1024 * 1024 - 40_000));
    await assertSame(encode({ requests: [large, large, large] }), 'too large');
    const liar = { digest: { ...large.digest, sizeBytes: 2 ** 40 }, data: Buffer.from('x') };
    await assertSame(encode({ requests: [liar] }), 'announces too much');
    const tiny = encode({ requests: [{ digest: Digest.empty().toProto() }] });
    await assertSame(Buffer.concat(Array.from({ length: 65_537 }, () => tiny)), 'too many');
  });

  it('decodes what is rare or wrong, and answers it alike (DIG-1 to DIG-5, CAS-8)', async () => {
    const good = entryOf('a');
    const hash = good.digest.hash;
    for (const entry of [
      { ...good, compressor: ZSTD },
      { ...good, compressor: reapi.Compressor.Value.DEFLATE },
      { data: Buffer.from('a') },
      { digest: { hash: hash.toUpperCase(), sizeBytes: 1 }, data: Buffer.from('a') },
      { digest: { hash: hash.slice(1), sizeBytes: 1 }, data: Buffer.from('a') },
      { digest: { hash, sizeBytes: -1 }, data: Buffer.from('a') },
      { digest: { hash, sizeBytes: 0 }, data: Buffer.from('a') },
      { digest: { hash: SHA256.emptyHash, sizeBytes: 3 }, data: Buffer.from('abc') },
      { digest: { hash: 'ü'.repeat(32), sizeBytes: 1 }, data: Buffer.from('a') },
      { digest: { hash: '', sizeBytes: 0 } },
      entryOf('a', SHA512),
    ]) {
      const request = encode({ requests: [good, entry] });

      assert.equal(isTakenFromBytes(request), false, JSON.stringify(entry));
      await assertSame(request, JSON.stringify(entry));
    }
    await assertSame(encode({ requests: [{ ...good, compressor: IDENTITY }] }));
    for (const value of [SHA1.value, reapi.DigestFunction.Value.MD5]) {
      await assertSame(encode({ requests: [good], digestFunction: value }));
    }
    await assertSame(Buffer.concat([encode({ requests: [good] }), Buffer.from([0x28, 99])]));
  });

  it('decodes what another encoder might have written otherwise, and answers it alike', async () => {
    const entry = Buffer.from(reapi.BatchUpdateBlobsRequest.Request.encode(entryOf('abc')).finish());
    const digest = entry.subarray(0, 70);
    const data = entry.subarray(70);
    const framed = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
      const bytes = Buffer.concat(parts);
      return Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
    };
    for (const each of [
      [data, digest],
      [digest, digest, data],
      [digest, data, data],
      [digest, data, Buffer.from([0x18, 0x00])],
      [digest, data, Buffer.from([0x20, 0x01])],
      [digest, Buffer.from([0x12, 0x83, 0x00]), data.subarray(2)],
      [digest.subarray(0, 69), Buffer.from([0x83, 0x00]), data],
    ]) {
      await assertSame(framed(0x12, ...each));
    }
    const whole = framed(0x12, entry);
    const bad = [framed(0x0a, Buffer.from([0xff])), framed(0x0a, Buffer.from('a/b'))];
    for (const name of [...bad, Buffer.concat([...bad]), framed(0x0a, Buffer.from([0x61, 0xed, 0xa0, 0x80]))]) {
      await assertSame(Buffer.concat([name, whole, name]));
    }
    await assertSame(Buffer.concat([whole, Buffer.from([0x28, 0x03]), Buffer.from([0x28, 0x01])]));
    await assertSame(Buffer.concat([whole, Buffer.from([0x38, 0x01])]));
  });

  it('answers any bytes as if they were decoded', async () => {
    const requests = [
      encode({
        instanceName: 'a/b',
        requests: [entryOf('there'), entryOf('x'.repeat(150))],
        digestFunction: SHA256.value,
      }),
      encode({ requests: [entryOf('a', SHA1), entryOf('')] }),
    ];
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    const cut = fc.option(fc.nat(), { freq: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...requests),
        fc.array(change, { maxLength: 3 }),
        cut,
        async (request, changes, end) => {
          const changed = Buffer.from(end === null ? request : request.subarray(0, end % request.length));
          for (const [place, value] of changes) if (changed.length > 0) changed[place % changed.length] = value;

          await assertSame(changed, changed.toString('hex'));
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
