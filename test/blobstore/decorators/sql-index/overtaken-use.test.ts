import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../../../src/blobstore/backends/memory-blob-store.js';
import type { IndexTotals } from '../../../../src/blobstore/decorators/sql-index/blob-index.js';
import { BlobRemovals } from '../../../../src/blobstore/decorators/sql-index/blob-removals.js';
import { SqlIndexBlobStore } from '../../../../src/blobstore/decorators/sql-index/sql-index-blob-store.js';
import { Digest } from '../../../../src/digest/digest.js';
import type { Database, Sql } from '../../../../src/sql/database.js';
import type { Dialect } from '../../../../src/sql/dialect.js';
import { databaseKinds } from '../../../helpers/database-kinds.js';
import { FailingBlobStore } from '../../../helpers/failing-blob-store.js';
import { IndexTable } from '../../../helpers/index-table.js';

const hour = 3_600_000;

/** Lets something else happen before one of its statements. */
class InterruptedDatabase implements Database {
  /** Called with how many statements came before. */
  interrupt: (count: number) => Promise<void> = () => Promise.resolve();
  readonly #inner: Database;
  #count = 0;

  constructor(inner: Database) {
    this.#inner = inner;
  }

  get dialect(): Dialect {
    return this.#inner.dialect;
  }

  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#inner.transaction(work);
  }

  read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#inner.read(work);
  }

  async statement<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    await this.interrupt(this.#count++);
    return this.#inner.statement(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}

/** A storage whose deletions begin, and end when they are told to. */
class SlowDeletion extends FailingBlobStore {
  readonly begun: Promise<void>;
  #begin!: () => void;
  #end!: () => void;
  readonly #mayEnd = new Promise<void>((resolve) => (this.#end = resolve));

  constructor(inner: MemoryBlobStore) {
    super(inner);
    this.begun = new Promise((resolve) => (this.#begin = resolve));
  }

  end(): void {
    this.#end();
  }

  override async delete(digests: readonly Digest[]): Promise<void> {
    this.#begin();
    await this.#mayEnd;
    await super.delete(digests);
  }
}

for (const { kind, open } of databaseKinds) {
  describe(`A blob that is written when its removal begins, on ${kind}`, function () {
    this.timeout(60_000);

    it('is stored once the removal is over, if that was quicker than its use (D4)', async () => {
      await using database = await open();
      const table = await IndexTable.of(database);
      await table.clear();
      const data = Buffer.from('blob');
      const digest = Digest.of(data);
      const memory = new MemoryBlobStore();
      await memory.writeBatch([{ digest, data }]);
      await table.insert(digest, { ageMs: hour });
      const deletion = new SlowDeletion(memory);
      let removal: Promise<IndexTotals> | undefined;
      // Between the statement that finds the blob unused for long and the one that notes its use.
      const interrupted = new InterruptedDatabase(database);
      const order = { maxBlobs: 1, sizeBytes: 1_000, unusedForMs: 0 };
      const clock = {
        now: () => Date.now(),
        // Whoever waits for the removal lets it end.
        sleep: async () => {
          deletion.end();
          await removal;
        },
      };
      const store = await SqlIndexBlobStore.open(memory, { database: interrupted, clock });
      let first: number | undefined;
      interrupted.interrupt = async (count) => {
        first ??= count;
        if (count !== first + 1) return;
        removal = new BlobRemovals(database, deletion).takeOldest(order);
        await deletion.begun;
      };

      const outcomes = await store.writeBatch([{ digest, data }]);

      assert.equal((await removal)?.blobs, 1);
      assert.deepEqual(outcomes, [undefined]);
      assert.deepEqual(await memory.findMissing([digest]), []);
      assert.deepEqual(await table.keys(), [digest.key]);
      await store[Symbol.asyncDispose]();
    });
  });
}
