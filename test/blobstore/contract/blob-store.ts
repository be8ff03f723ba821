import assert from 'node:assert/strict';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { ChunkPool } from '../../../src/common/chunk-pool.js';
import { Code } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import { BlobNotFoundError, type BlobStore } from '../../../src/blobstore/blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1, SHA256, SHA512 } from '../../../src/digest/digest-function.js';
import { chunks } from '../../helpers/chunks.js';
import { hasCode } from '../../helpers/has-code.js';

/** What every {@link BlobStore} promises. Each backend and decorator runs all of it. */
export function describeBlobStore(name: string, create: () => Promise<BlobStore> | BlobStore): void {
  describe(`${name} as a BlobStore`, () => {
    const hello = Digest.of(Buffer.from('hello'));
    const other = Digest.of(Buffer.from('other'));
    let store: BlobStore;

    beforeEach(async () => {
      store = await create();
    });

    afterEach(async () => {
      if (Symbol.asyncDispose in store) await (store as BlobStore & AsyncDisposable)[Symbol.asyncDispose]();
    });

    it('reports a blob as missing until it is written, and each missing one once (CAS-1)', async () => {
      assert.deepEqual(await store.findMissing([hello, other, hello]), [hello, other]);

      await store.write(hello, chunks('hello'));

      assert.deepEqual(await store.findMissing([hello, other]), [other]);
      assert.deepEqual(await store.findMissing([]), []);
    });

    it('says of a blob by itself what findMissing says, if it offers to (CAS-1)', async () => {
      const { presence } = store;
      if (!presence) return;
      const text = Buffer.from(`..${hello.hash}..`);
      assert.equal(presence.touch(SHA256, text, 2, 5), false);

      await store.write(hello, chunks('hello'));

      assert.equal(presence.touch(SHA256, text, 2, 5), true);
      assert.equal(presence.touch(SHA256, text, 2, 6), false);
      assert.equal(presence.touch(SHA256, text, 1, 5), false);
      assert.equal(presence.touch(SHA1, text, 2, 5), false);
      assert.equal(presence.touch(SHA256, Buffer.from(`..${hello.hash.toUpperCase()}`), 2, 5), false);
    });

    it('reads back what was written in pieces', async () => {
      await store.write(hello, chunks('he', '', 'l', 'lo'));

      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('reads back megabytes byte for byte, in chunks of at most their size', async () => {
      const data = patternedBytes(5 * 1024 * 1024 + 17);
      const digest = Digest.of(data);

      await store.write(digest, inChunks(data, 65_537));

      assert.ok(data.equals(await readBlob(store, digest)));
    });

    it('shares with nobody what it has taken of the memory that a reader brings', async () => {
      const data = patternedBytes(3 * 1024 * 1024 + 17);
      const digest = Digest.of(data);
      await store.write(digest, inChunks(data, 1024 * 1024));
      const pool = new ChunkPool({ budgetBytes: 64 * 1024 * 1024, maxIdleBytes: 64 * 1024 * 1024 });

      for (let round = 0; round < 2; round += 1) {
        const chunks = pool.open();
        const parts: Buffer[] = [];
        for await (const chunk of store.read(digest, { chunks })) {
          parts.push(Buffer.from(chunk));
          const heldBytes = pool.heldBytes;
          chunks.giveBack(chunk);
          if (pool.heldBytes < heldBytes) chunk.fill(0xff);
        }
        chunks.close();

        assert.ok(data.equals(Buffer.concat(parts)));
        assert.equal(pool.heldBytes, 0);
      }
      assert.ok(data.equals(await readBlob(store, digest)));
    });

    it('throws BlobNotFoundError on the first pull of an absent blob, whatever the range', async () => {
      await assert.rejects(readBlob(store, hello), BlobNotFoundError);
      await assert.rejects(collectBytes(store.read(hello, { offset: 2, limit: 1 })), BlobNotFoundError);
    });

    it('keeps a digest of the same hash but another size apart (DIG-2)', async () => {
      const longer = Digest.from(hello.hash, 6);

      await store.write(hello, chunks('hello'));

      assert.deepEqual(await store.findMissing([longer]), [longer]);
      await assert.rejects(readBlob(store, longer), BlobNotFoundError);
    });

    it('keeps blobs of different digest functions apart', async () => {
      const data = Buffer.from('hello');
      const [sha1, sha512] = [Digest.of(data, SHA1), Digest.of(data, SHA512)];

      await store.write(sha1, chunks('hello'));

      assert.deepEqual(await store.findMissing([sha1, hello, sha512]), [hello, sha512]);
      assert.equal(String(await readBlob(store, sha1)), 'hello');
    });

    describe('reading a part', () => {
      const read = async (offset?: number, limit?: number): Promise<string> =>
        String(
          await collectBytes(
            store.read(hello, { ...(offset !== undefined && { offset }), ...(limit !== undefined && { limit }) }),
          ),
        );

      beforeEach(() => store.write(hello, chunks('hello')));

      it('starts at the offset and stops at the limit or the end', async () => {
        assert.equal(await read(1, 3), 'ell');
        assert.equal(await read(1), 'ello');
        assert.equal(await read(0, 2), 'he');
        assert.equal(await read(3, 99), 'lo');
      });

      it('is empty at the end and for a limit of 0', async () => {
        assert.equal(await read(5), '');
        assert.equal(await read(2, 0), '');
      });

      it('is OUT_OF_RANGE outside of the blob', async () => {
        await assert.rejects(read(-1), hasCode(Code.OutOfRange));
        await assert.rejects(read(6), hasCode(Code.OutOfRange));
      });

      it('works across chunks of a large blob', async () => {
        const data = patternedBytes(3 * 1024 * 1024);
        const digest = Digest.of(data);
        await store.write(digest, inChunks(data, 1024 * 1024));

        const part = await collectBytes(store.read(digest, { offset: 1_000_001, limit: 1_100_000 }));

        assert.ok(part.equals(data.subarray(1_000_001, 2_100_001)));
      });
    });

    it('leaves no trace of a write whose content fails half-way (D3)', async () => {
      await assert.rejects(store.write(hello, failing()), /connection lost/);

      assert.deepEqual(await store.findMissing([hello]), [hello]);
      await store.write(hello, chunks('hello'));
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('refuses content that is shorter or longer than its digest says, and leaves no trace of it (D3)', async () => {
      await assert.rejects(store.write(hello, chunks('hell')), hasCode(Code.InvalidArgument));
      await assert.rejects(store.write(hello, chunks('hello', '!')), hasCode(Code.InvalidArgument));
      await assert.rejects(store.write(hello, chunks()), hasCode(Code.InvalidArgument));

      assert.deepEqual(await store.findMissing([hello]), [hello]);
    });

    it('refuses content that is too long without reading it to its end (BS-10)', async () => {
      await assert.rejects(store.write(hello, endless()), hasCode(Code.InvalidArgument));
    });

    it('does not show a blob before its write is done', async () => {
      const { promise: mayFinish, resolve: finish } = deferred();
      const { promise: hasBegun, resolve: begun } = deferred();
      const writing = store.write(
        hello,
        (async function* () {
          yield Buffer.from('hello');
          begun();
          await mayFinish;
        })(),
      );

      await hasBegun;
      assert.deepEqual(await store.findMissing([hello]), [hello]);
      await assert.rejects(readBlob(store, hello), BlobNotFoundError);

      finish();
      await writing;
      assert.deepEqual(await store.findMissing([hello]), []);
    });

    it('serves concurrent writers of one digest, one of which fails (BS-14)', async () => {
      const outcomes = await Promise.allSettled([
        store.write(hello, failing()),
        store.write(hello, chunks('hel', 'lo')),
        store.write(hello, chunks('hello')),
        store.writeBatch([{ digest: hello, data: Buffer.from('hello') }]),
      ]);

      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
      );
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('stops a write when the signal aborts, and leaves no trace of it', async () => {
      const controller = new AbortController();
      const content = (async function* () {
        yield Buffer.from('he');
        controller.abort();
        yield Buffer.from('llo');
      })();

      await assert.rejects(store.write(hello, content, controller.signal));

      assert.deepEqual(await store.findMissing([hello]), [hello]);
    });

    it('lets a reader stop early', async () => {
      const data = patternedBytes(4 * 1024 * 1024);
      const digest = Digest.of(data);
      await store.write(digest, inChunks(data, 1024 * 1024));

      for await (const chunk of store.read(digest, { limit: 3 * 1024 * 1024 })) {
        assert.ok(chunk.length > 0);
        break;
      }

      assert.ok(data.equals(await readBlob(store, digest)));
    });

    it('stores a batch with one outcome for each entry, in order (CAS-5)', async () => {
      const outcomes = await store.writeBatch([
        { digest: hello, data: Buffer.from('hello') },
        { digest: other, data: Buffer.from('too long') },
        { digest: hello, data: Buffer.from('hello') },
      ]);

      assert.equal(outcomes.length, 3);
      assert.equal(outcomes[0], undefined);
      assert.ok(outcomes[1] instanceof StatusError);
      assert.equal(outcomes[1].code, Code.InvalidArgument);
      assert.equal(outcomes[2], undefined);
      assert.deepEqual(await store.findMissing([hello, other]), [other]);
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('accepts an empty batch and one of a thousand blobs', async () => {
      const blobs = Array.from({ length: 1000 }, (_, index) => {
        const data = Buffer.from(`blob ${index}`);
        return { digest: Digest.of(data), data };
      });

      assert.deepEqual(await store.writeBatch([]), []);
      const outcomes = await store.writeBatch(blobs);

      assert.ok(outcomes.every((outcome) => outcome === undefined));
      assert.deepEqual(await store.findMissing(blobs.map(({ digest }) => digest)), []);
      assert.equal(String(await readBlob(store, blobs[777]!.digest)), 'blob 777');
    });

    it('accepts a blob that is there already, by stream and by batch', async () => {
      await store.write(hello, chunks('hello'));

      await store.write(hello, chunks('hello'));
      assert.deepEqual(await store.writeBatch([{ digest: hello, data: Buffer.from('hello') }]), [undefined]);

      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('forgets deleted blobs, ignores absent ones, and takes them again', async () => {
      await store.write(hello, chunks('hello'));

      await store.delete([hello, other]);
      assert.deepEqual(await store.findMissing([hello]), [hello]);
      await assert.rejects(readBlob(store, hello), BlobNotFoundError);

      await store.write(hello, chunks('hello'));
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('refuses to begin when the signal has aborted already', async () => {
      const signal = AbortSignal.abort();

      await assert.rejects(store.write(hello, chunks('hello'), signal));
      await assert.rejects(store.findMissing([hello], signal));
      await assert.rejects(store.writeBatch([{ digest: hello, data: Buffer.from('hello') }], signal));
    });
  });
}

/** Bytes that differ from place to place, so that a chunk out of order shows. */
export function patternedBytes(sizeBytes: number): Buffer {
  const data = Buffer.alloc(sizeBytes);
  for (let offset = 0; offset + 4 <= sizeBytes; offset += 4) data.writeUInt32LE((offset * 2_654_435_761) >>> 0, offset);
  return data;
}

/** Yields `data` in chunks of `chunkBytes`. */
export async function* inChunks(data: Uint8Array, chunkBytes: number): AsyncIterable<Uint8Array> {
  for (let offset = 0; offset < data.length; offset += chunkBytes) yield data.subarray(offset, offset + chunkBytes);
}

/** Content that breaks off after some bytes. */
export async function* failing(): AsyncIterable<Uint8Array> {
  yield Buffer.from('he');
  throw new StatusError(Code.Unavailable, 'connection lost');
}

async function* endless(): AsyncIterable<Uint8Array> {
  for (;;) yield Buffer.from('more and more');
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
