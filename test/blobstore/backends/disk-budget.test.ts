import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBlobStore } from '../../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Code } from '../../../src/common/code.js';
import { Digest } from '../../../src/digest/digest.js';
import { chunks } from '../../helpers/chunks.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { hasCode } from '../../helpers/has-code.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { failing } from '../contract/blob-store.js';

describe('DiskBlobStore with a budget of 1,000 bytes', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;
  let clock: FakeClock;
  let store: DiskBlobStore;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = folder.path;
    clock = new FakeClock();
    store = await DiskBlobStore.open({ path, maxBytes: 1000, clock });
  });

  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const reopen = async (maxBytes: number): Promise<void> => {
    await store[Symbol.asyncDispose]();
    store = await DiskBlobStore.open({ path, maxBytes, clock });
  };
  const fileOf = ({ hash, sizeBytes }: Digest): string =>
    join(path, 'sha256', hash.slice(0, 2), `${hash}-${sizeBytes}`);
  const blob = (text: string): { digest: Digest; data: Buffer } => {
    const data = Buffer.from(text.padEnd(100, '.'));
    return { digest: Digest.of(data), data };
  };
  const fill = async (from: number, to: number): Promise<Digest[]> => {
    const digests: Digest[] = [];
    for (let index = from; index < to; index += 1) {
      const { digest, data } = blob(`blob ${index}`);
      await store.write(digest, chunks(data));
      digests.push(digest);
    }
    return digests;
  };

  it('evicts what was not used for the longest time', async () => {
    const [first, second] = await fill(0, 9);
    await readBlob(store, first!);

    await fill(9, 11);

    const missing = await store.findMissing([first!, second!]);
    assert.deepEqual(missing, [second]);
    await reopen(1000); // Closing waits for the eviction under way.
    await assert.rejects(readFile(fileOf(second!)), { code: 'ENOENT' });
  });

  it('never evicts what findMissing has promised in the last 30 minutes (D4)', async () => {
    const promised = await fill(0, 8);
    assert.deepEqual(await store.findMissing(promised), []);

    clock.advance(29 * 60_000);
    await fill(8, 40);

    for (const digest of promised) assert.equal((await readBlob(store, digest)).length, 100);
  });

  it('refuses writes with RESOURCE_EXHAUSTED while everything is promised, and takes them afterwards', async () => {
    const promised = await fill(0, 9);
    assert.deepEqual(await store.findMissing(promised), []);
    const data = Buffer.alloc(200);
    const digest = Digest.of(data);

    await assert.rejects(store.write(digest, chunks(data)), hasCode(Code.ResourceExhausted));
    const [outcome] = await store.writeBatch([{ digest, data }]);
    assert.equal(outcome?.code, Code.ResourceExhausted);

    clock.advance(30 * 60_000);
    await store.write(digest, chunks(data));
    assert.deepEqual(await store.findMissing([digest]), []);
  });

  it('never evicts what is being read (D4)', async () => {
    const [first] = await fill(0, 9);
    const reader = store.read(first!)[Symbol.asyncIterator]();
    await reader.next();

    await fill(9, 20);

    assert.deepEqual(await store.findMissing([first!]), []);
    await reader.return?.();
  });

  it('refuses a blob larger than the whole budget', async () => {
    const data = Buffer.alloc(1001);

    await assert.rejects(store.write(Digest.of(data), chunks(data)), hasCode(Code.ResourceExhausted));
  });

  it('counts uploads under way, so that they cannot together outgrow the budget', async () => {
    const blobs = Array.from({ length: 3 }, (_, index) => Buffer.alloc(400, index));
    let open = 0;
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = async function* (data: Buffer): AsyncIterable<Uint8Array> {
      open += 1;
      if (open === 2) release();
      await gate;
      yield data;
    };

    const outcomes = await Promise.allSettled(blobs.map((data) => store.write(Digest.of(data), slow(data))));

    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'fulfilled', 'rejected']);
  });

  it('gives the room of a failed upload back', async () => {
    const data = Buffer.alloc(900);
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await assert.rejects(store.write(Digest.of(data), failing()), hasCode(Code.Unavailable));
    }

    await store.write(Digest.of(data), chunks(data));
  });

  it('comes down to a budget that was made smaller', async () => {
    await fill(0, 9);
    await reopen(500);
    await reopen(500);

    const files = (await readdir(join(path, 'sha256'), { recursive: true })).filter((name) => name.includes('-'));
    assert.ok(files.length <= 5, `${files.length} files are left`);
  });
});
