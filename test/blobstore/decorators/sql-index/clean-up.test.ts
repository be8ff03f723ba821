import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { MemoryBlobStore } from '../../../../src/blobstore/backends/memory-blob-store.js';
import {
  type Blob,
  BlobNotFoundError,
  type BlobStore,
  type WriteOutcome,
} from '../../../../src/blobstore/blob-store.js';
import { BlobIndex } from '../../../../src/blobstore/decorators/sql-index/blob-index.js';
import { BlobRemovals, leastAgeMs } from '../../../../src/blobstore/decorators/sql-index/blob-removals.js';
import {
  type CleanupOptions,
  type CleanupProgress,
  type CleanupReport,
  type UpkeepParts,
  cleanUp,
  refill,
} from '../../../../src/blobstore/decorators/sql-index/clean-up.js';
import { IndexUpkeep } from '../../../../src/blobstore/decorators/sql-index/index-upkeep.js';
import { SqlIndexBlobStore } from '../../../../src/blobstore/decorators/sql-index/sql-index-blob-store.js';
import { readBlob } from '../../../../src/blobstore/read-blob.js';
import type { FoundBlob } from '../../../../src/blobstore/found-blob.js';
import { Code } from '../../../../src/common/code.js';
import { StatusError } from '../../../../src/common/status-error.js';
import { Digest } from '../../../../src/digest/digest.js';
import type { Database } from '../../../../src/sql/database.js';
import { Dice, tellSeed } from '../../../helpers/chance.js';
import { databaseKinds } from '../../../helpers/database-kinds.js';
import { FailingBlobStore } from '../../../helpers/failing-blob-store.js';
import { hasCode } from '../../../helpers/has-code.js';
import { IndexTable } from '../../../helpers/index-table.js';

const hour = 3_600_000;
const blobBytes = 100;

/** Blobs of 100 bytes; a lower number was used longer ago. */
const blobs: readonly Blob[] = Array.from({ length: 20 }, (_, number) => {
  const data = Buffer.alloc(blobBytes, `${number} `);
  return { digest: Digest.of(data), data };
});
const digests = blobs.map(({ digest }) => digest);

for (const { kind, open } of databaseKinds) {
  describe(`cleanUp on ${kind}`, function () {
    this.timeout(60_000);
    tellSeed();
    let database: Database;
    let table: IndexTable;
    let memory: MemoryBlobStore;
    let storage: FailingBlobStore;
    let store: SqlIndexBlobStore;
    let progress: CleanupProgress[];

    before(async () => {
      database = await open();
      table = await IndexTable.of(database);
    });

    after(() => database[Symbol.asyncDispose]());

    beforeEach(async () => {
      await table.clear();
      memory = new MemoryBlobStore();
      storage = new FailingBlobStore(memory);
      store = await SqlIndexBlobStore.open(storage, { database });
      await store.writeBatch(blobs);
      for (const [number, digest] of digests.entries()) await table.age(digest, (100 - number) * hour);
      progress = [];
    });

    afterEach(() => store[Symbol.asyncDispose]());

    const partsOver = (inner: BlobStore): UpkeepParts => ({
      index: new BlobIndex(database),
      removals: new BlobRemovals(database, inner),
      upkeep: new IndexUpkeep(database),
    });

    const clean = (
      options: Partial<CleanupOptions>,
      signal?: AbortSignal,
      inner: BlobStore = storage,
    ): Promise<CleanupReport> =>
      cleanUp(
        partsOver(inner),
        {
          highBytes: 1_500,
          lowBytes: 1_000,
          batchBytes: 250,
          unusedForMs: 0,
          isDryRun: false,
          onProgress: (each) => progress.push(each),
          ...options,
        },
        signal,
      );

    /** The numbers of the blobs that the index has, all of which the storage has, too. */
    async function left(): Promise<readonly number[]> {
      const missing = new Set((await store.findMissing(digests)).map(({ key }) => key));
      const gone = new Set((await memory.findMissing(digests)).map(({ key }) => key));
      assert.deepEqual(missing, gone);
      return [...digests.entries()].filter(([, { key }]) => !missing.has(key)).map(([number]) => number);
    }

    const numbers = (from: number, to = 20): number[] => Array.from({ length: to - from }, (_, index) => from + index);

    it('removes the least recently used blobs, from the high mark down to the low one, in batches', async () => {
      const report = await clean({});

      assert.deepEqual(report, {
        before: { blobs: 20, sizeBytes: 2_000 },
        removed: { blobs: 10, sizeBytes: 1_000 },
        isShort: false,
      });
      assert.deepEqual(await left(), numbers(10));
      assert.deepEqual(
        progress.map(({ removed, wantedBytes }) => [removed.blobs, wantedBytes]),
        [3, 6, 9, 10].map((count) => [count, 1_000]),
      );
    });

    it('removes nothing below the high mark', async () => {
      const report = await clean({ highBytes: 2_000 });

      assert.equal(report.removed.blobs, 0);
      assert.deepEqual(await left(), numbers(0));
    });

    it('leaves alone what was promised or used lately, whatever is asked for, and says so (D4)', async () => {
      await table.age(undefined, leastAgeMs - 60_000);
      await table.age(digests[7], leastAgeMs + 1_000);

      const report = await clean({ highBytes: 0, lowBytes: 0 });

      assert.deepEqual([report.removed.blobs, report.isShort], [1, true]);
      assert.deepEqual(await left(), [...numbers(0, 7), ...numbers(8)]);
    });

    it('leaves alone what was used within the time that is asked for', async () => {
      const report = await clean({ highBytes: 0, lowBytes: 0, unusedForMs: 95.5 * hour });

      assert.deepEqual([report.removed.blobs, report.isShort], [5, true]);
      assert.deepEqual(await left(), numbers(5));
    });

    it('leaves alone what is used while it is at work', async () => {
      const using = new WatchedBlobStore(
        storage,
        async () => void (await store.findMissing([digests[3]!, digests[9]!])),
      );

      await clean({}, undefined, using);

      assert.deepEqual(await left(), [3, 9, ...numbers(12)]);
    });

    it('only counts in a dry run', async () => {
      const expected = {
        before: { blobs: 20, sizeBytes: 2_000 },
        removed: { blobs: 10, sizeBytes: 1_000 },
        isShort: false,
      };

      assert.deepEqual(await clean({ isDryRun: true }), expected);
      assert.deepEqual((await clean({ isDryRun: true, highBytes: 2_000 })).removed, { blobs: 0, sizeBytes: 0 });
      assert.equal((await clean({ isDryRun: true, unusedForMs: 95.5 * hour })).isShort, true);

      assert.deepEqual(await left(), numbers(0));
    });

    it('takes a blob out of the index first: when the storage is away, it is missing', async () => {
      storage.isDown = true;

      await assert.rejects(clean({}), hasCode(Code.Unavailable));

      assert.deepEqual(await store.findMissing(digests), digests.slice(0, 3));
      assert.deepEqual(await memory.findMissing(digests), []);
    });

    it('finishes what a process had begun that died', async () => {
      await table.clear();
      await table.insert(digests[0]!, { ageMs: 0, leavesInMs: -1 });
      await table.insert(digests[1]!, { ageMs: 0, leavesInMs: 60_000 });

      const report = await clean({});

      assert.deepEqual([report.before.blobs, report.removed.blobs], [2, 1]);
      assert.deepEqual(await memory.findMissing(digests), [digests[0]]);
      assert.deepEqual(await table.keys(), [digests[1]!.key]);
    });

    it('stops between two batches, and finishes the one that it has begun', async () => {
      const stop = new AbortController();
      const reason = new StatusError(Code.Cancelled, 'enough');

      await assert.rejects(
        clean({ onProgress: () => stop.abort(reason) }, stop.signal),
        (found: unknown) => found === reason,
      );

      assert.deepEqual(await left(), numbers(3));
    });

    it('lets one process at a time at an index, until it has died', async () => {
      const another = new IndexUpkeep(database);
      await another.hold();

      await assert.rejects(clean({}), { code: Code.Aborted, message: /Another process is cleaning up/ });
      assert.deepEqual(await memory.findMissing(digests), []);

      await table.ageUpkeep(121_000);
      await clean({});
      assert.deepEqual(await left(), numbers(10));
    });

    describe('refill', () => {
      const list = async function* (found: readonly FoundBlob[]): AsyncIterable<FoundBlob> {
        for (const blob of found) yield blob;
      };

      it('enters what the index lacks as used when it was stored, and leaves the rest as it is', async () => {
        await table.clear();
        await table.insert(digests[1]!, { ageMs: hour });
        const modifiedAtMs = Date.now() - 2 * hour;

        const result = await refill(
          partsOver(storage),
          list(digests.slice(0, 3).map((digest) => ({ digest, modifiedAtMs }))),
          () => undefined,
        );

        assert.deepEqual(result, { listed: 3, added: 2 });
        assert.ok(Math.abs((await table.ageOf(digests[0]!)) - 2 * hour) < 60_000);
        assert.ok(Math.abs((await table.ageOf(digests[1]!)) - hour) < 60_000);
      });

      it('puts off any cleanup until all is over that clients were promised before (D4)', async () => {
        await table.clear();
        const found = digests.map((digest, number) => ({ digest, modifiedAtMs: Date.now() - (100 - number) * hour }));
        await refill(partsOver(storage), list(found), () => undefined);

        await assert.rejects(clean({}), { code: Code.Aborted, message: /clean up in 35 minutes/ });
        await table.ageUpkeep(leastAgeMs);
        await clean({});

        assert.deepEqual(await left(), numbers(10));
      });
    });

    it('never leaves a blob in the index that is not in the storage, whoever writes meanwhile', async () => {
      const dice = new Dice(`cleanUp on ${kind}`);
      const slow = new JitteryBlobStore(memory, dice);
      const writer = await SqlIndexBlobStore.open(slow, { database, fallsBackOnGet: true });
      const ageing = new Ageing(table);
      const over = Date.now() + 1_500;
      const goesOn = (): boolean => Date.now() < over;
      const write = async (): Promise<void> => {
        while (goesOn()) {
          const batch = [dice.pick(blobs), dice.pick(blobs)];
          const outcomes = await ageing.using(batch, () => writer.writeBatch(batch));
          assert.deepEqual(outcomes, [undefined, undefined]);
        }
      };
      const read = async (): Promise<void> => {
        while (goesOn()) {
          await readBlob(writer, dice.pick(digests)).catch(onlyIfAbsent);
          await turn();
        }
      };
      const remove = async (): Promise<void> => {
        while (goesOn()) {
          await ageing.age(dice.pick(digests));
          await clean({ highBytes: 0, lowBytes: 0, batchBytes: 300 }, undefined, slow);
          await turn();
        }
      };

      await Promise.all([write(), write(), write(), read(), remove()]);
      await writer[Symbol.asyncDispose]();

      const missing = new Set((await memory.findMissing(digests)).map(({ key }) => key));
      assert.deepEqual(
        (await table.keys()).filter((key) => missing.has(key)),
        [],
      );
    });
  });
}

function onlyIfAbsent(reason: unknown): void {
  if (!(reason instanceof BlobNotFoundError)) throw reason;
}

/** Lets time pass for a blob, but not while it is being written: uploads end before what is promised does. */
class Ageing {
  readonly #table: IndexTable;
  readonly #used = new Map<string, number>();
  #ageing: { readonly key: string; readonly done: Promise<void> } | undefined;

  constructor(table: IndexTable) {
    this.#table = table;
  }

  async using<T>(batch: readonly Blob[], task: () => Promise<T>): Promise<T> {
    const keys = batch.map(({ digest }) => digest.key);
    while (this.#ageing && keys.includes(this.#ageing.key)) await this.#ageing.done;
    for (const key of keys) this.#used.set(key, (this.#used.get(key) ?? 0) + 1);
    try {
      return await task();
    } finally {
      for (const key of keys) this.#used.set(key, (this.#used.get(key) ?? 0) - 1);
    }
  }

  async age(digest: Digest): Promise<void> {
    if ((this.#used.get(digest.key) ?? 0) > 0) return;
    this.#ageing = { key: digest.key, done: this.#table.age(digest, hour) };
    await this.#ageing.done;
    this.#ageing = undefined;
  }
}

/** Tells of each deletion before it is done. */
class WatchedBlobStore extends FailingBlobStore {
  readonly #onDelete: () => Promise<void>;

  constructor(inner: BlobStore, onDelete: () => Promise<void>) {
    super(inner);
    this.#onDelete = onDelete;
  }

  override async delete(digestsToDelete: readonly Digest[]): Promise<void> {
    await this.#onDelete();
    await super.delete(digestsToDelete);
  }
}

/** Takes a random time before and after each change. */
class JitteryBlobStore extends FailingBlobStore {
  readonly #dice: Dice;

  constructor(inner: BlobStore, dice: Dice) {
    super(inner);
    this.#dice = dice;
  }

  override async writeBatch(batch: readonly Blob[]): Promise<readonly WriteOutcome[]> {
    await this.#pause();
    const outcomes = await super.writeBatch(batch);
    await this.#pause();
    return outcomes;
  }

  override async delete(digestsToDelete: readonly Digest[]): Promise<void> {
    await this.#pause();
    await super.delete(digestsToDelete);
    await this.#pause();
  }

  async #pause(): Promise<void> {
    for (let turns = this.#dice.int(0, 30); turns > 0; turns -= 1) await turn();
  }
}
