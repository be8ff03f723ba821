import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, SHA1, SHA256, SHA384, SHA512, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { reapi } from '../../src/proto/index.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { findMissingInBytes } from '../../src/services/find-missing-bytes.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { chunks } from '../helpers/chunks.js';

/** A request is answered from its bytes where it can be, and otherwise decoded: nobody can tell which. */
describe('FindMissingBlobs over bytes', () => {
  const context = fakeCallContext();
  let blobs: BlobStore;
  let service: ContentAddressableStorageService;

  before(loadDigestFunctions);

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    const instance = { blobs };
    service = new ContentAddressableStorageService(new InstanceRegistry(new Map([['a/b', instance]]), instance));
  });

  const digest = (text: string, fn = SHA256): Digest => Digest.of(Buffer.from(text), fn);

  const encode = (request: reapi.FindMissingBlobsRequest.$Properties): Buffer =>
    Buffer.from(reapi.FindMissingBlobsRequest.encode(request).finish());

  const decode = (response: Uint8Array): unknown =>
    reapi.FindMissingBlobsResponse.decode(response).missingBlobDigests.map(
      ({ hash, sizeBytes }) => `${hash}/${sizeBytes}`,
    );

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
    outcomeOf(async () => decode(await service.raw.findMissingBlobs(request, context)));

  const answerOfDecoded = (request: Buffer): Promise<unknown> =>
    outcomeOf(async () => {
      const decoded = reapi.FindMissingBlobsRequest.decode(request);
      return decode(reapi.FindMissingBlobsResponse.encode(await service.findMissingBlobs(decoded, context)).finish());
    });

  const isAnsweredFromBytes = (request: Buffer): boolean =>
    findMissingInBytes(request, () => blobs.presence) !== undefined;

  for (const fn of [SHA256, SHA1, SHA384, BLAKE3]) {
    it(`answers digests of ${fn.name} with those that are missing, each once (CAS-1)`, async () => {
      await blobs.write(digest('there', fn), chunks('there'));
      const asked = ['gone', 'there', 'also gone', 'gone', 'there'].map((text) => digest(text, fn).toProto());
      const request = encode({ instanceName: 'a/b', blobDigests: asked, digestFunction: fn.value });

      assert.ok(isAnsweredFromBytes(request));
      const missing = ['gone', 'also gone']
        .map((text) => digest(text, fn))
        .map((each) => `${each.hash}/${each.sizeBytes}`);
      assert.deepEqual(await answer(request), missing);
    });
  }

  it('infers the function from the length of the first hash (DIG-4)', async () => {
    await blobs.write(digest('there', SHA1), chunks('there'));
    const request = encode({ blobDigests: [digest('there', SHA1).toProto(), digest('gone', SHA1).toProto()] });

    assert.ok(isAnsweredFromBytes(request));
    assert.deepEqual(await answer(request), [`${digest('gone', SHA1).hash}/4`]);
  });

  it('knows the empty blob in every function (DIG-6)', async () => {
    for (const fn of [SHA256, SHA1, SHA384, SHA512, BLAKE3]) {
      const request = encode({ blobDigests: [Digest.empty(fn).toProto()], digestFunction: fn.value });

      assert.deepEqual(await answer(request), []);
    }
  });

  it('answers no digests with none', async () => {
    assert.deepEqual(await answer(encode({})), []);
  });

  it('takes sizes up to 2^53 - 1, and no more', async () => {
    const { hash } = digest('x');
    const ask = (sizeBytes: number): Promise<unknown> => answer(encode({ blobDigests: [{ hash, sizeBytes }] }));

    for (const size of [1, 127, 128, 16_383, 16_384, 2 ** 32, 2 ** 53 - 1]) {
      assert.ok(isAnsweredFromBytes(encode({ blobDigests: [{ hash, sizeBytes: size }] })));
      assert.deepEqual(await ask(size), [`${hash}/${size}`]);
    }
    for (const size of [2 ** 53, 2 ** 62, -1]) {
      assert.deepEqual(await ask(size).then((outcome) => (outcome as StatusError).code), Code.InvalidArgument);
    }
  });

  it('refuses what is malformed with the same words as if it was decoded (CAS-3, DIG-1 to DIG-5)', async () => {
    const good = digest('gone').toProto();
    const { hash } = good;
    for (const bad of [
      { hash: hash.toUpperCase(), sizeBytes: 4 },
      { hash: `${hash.slice(1)}g`, sizeBytes: 4 },
      { hash: hash.slice(1), sizeBytes: 4 },
      { hash: digest('x', SHA1).hash, sizeBytes: 1 },
      { hash, sizeBytes: -1 },
      { hash, sizeBytes: 0 },
      { hash: SHA256.emptyHash, sizeBytes: 3 },
      { hash: '', sizeBytes: 0 },
      { hash: 'ü'.repeat(32), sizeBytes: 4 },
    ]) {
      const request = encode({ blobDigests: [good, bad] });
      const outcome = await answer(request);

      assert.equal((outcome as StatusError).code, Code.InvalidArgument, JSON.stringify(bad));
      assert.deepEqual(outcome, await answerOfDecoded(request));
    }
    for (const request of [
      encode({ instanceName: 'blobs', blobDigests: [good] }),
      encode({ instanceName: 'ä', blobDigests: [{ hash: 'x' }] }),
      encode({ blobDigests: [good], digestFunction: SHA1.value }),
      ...[[3], [99], [0xe8, 0x07]].map((value) =>
        Buffer.concat([encode({ blobDigests: [good] }), Buffer.from([0x18, ...value])]),
      ),
    ]) {
      const outcome = await answer(request);

      assert.equal((outcome as StatusError).code, Code.InvalidArgument);
      assert.deepEqual(outcome, await answerOfDecoded(request));
    }
  });

  it('decodes what another encoder might have written otherwise, and answers it alike', async () => {
    const entry = Buffer.from(reapi.Digest.encode(digest('gone').toProto()).finish());
    const swapped = Buffer.concat([entry.subarray(66), entry.subarray(0, 66)]);
    const longSize = Buffer.concat([entry.subarray(0, 67), Buffer.from([0x84, 0x00])]);
    const unknown = Buffer.concat([entry, Buffer.from([0x18, 0x01])]);
    for (const each of [swapped, longSize, unknown]) {
      const request = Buffer.concat([Buffer.from([0x12, each.length]), each]);

      assert.equal(isAnsweredFromBytes(request), false);
      assert.deepEqual(await answer(request), [`${digest('gone').hash}/4`]);
    }
    const withUnknownField = Buffer.concat([
      encode({ blobDigests: [digest('gone').toProto()] }),
      Buffer.from([0x38, 1]),
    ]);
    assert.deepEqual(await answer(withUnknownField), [`${digest('gone').hash}/4`]);
  });

  it('decodes each name of an instance, though only the last of several counts', async () => {
    const named = (...bytes: number[]): Buffer => Buffer.from([0x0a, bytes.length, ...bytes]);
    const rest = encode({ blobDigests: [digest('gone').toProto()], instanceName: 'a/b' });
    for (const name of [named(0xff), named(0xc3), named(0x61, 0xed, 0xa0, 0x80)]) {
      const outcome = await outcomeOf(() => service.raw.findMissingBlobs(Buffer.concat([name, rest]), context));

      assert.equal((outcome as StatusError).code, Code.InvalidArgument);
    }
    assert.deepEqual(await answer(Buffer.concat([named(0x78), rest])), [`${digest('gone').hash}/4`]);
  });

  it('is INVALID_ARGUMENT for bytes that are no request', async () => {
    const request = encode({ blobDigests: [digest('gone').toProto()] });
    for (const cut of [1, 2, 3, 40, request.length - 1]) {
      assert.equal(
        ((await answer(request.subarray(0, cut))) as StatusError).code,
        Code.InvalidArgument,
        `cut at ${cut}`,
      );
    }
  });

  it('answers any bytes as if they were decoded', async () => {
    await blobs.write(digest('there'), chunks('there'));
    const requests = [
      encode({
        instanceName: 'a/b',
        blobDigests: [digest('there').toProto(), digest('gone').toProto()],
        digestFunction: SHA256.value,
      }),
      encode({ blobDigests: [digest('there', SHA1).toProto()], digestFunction: SHA1.value }),
    ];
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...requests), fc.array(change, { maxLength: 3 }), async (request, changes) => {
        const changed = Buffer.from(request);
        for (const [place, value] of changes) changed[place % changed.length] = value;
        if (!isAnsweredFromBytes(changed)) return;

        assert.deepEqual(await answer(changed), await answerOfDecoded(changed));
      }),
      { numRuns: 3_000 },
    );
  });
});
