import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryBlobStore } from '../src/blobstore/backends/memory-blob-store.js';
import { BlobIndex } from '../src/blobstore/decorators/sql-index/blob-index.js';
import { BlobRemovals } from '../src/blobstore/decorators/sql-index/blob-removals.js';
import { SqlIndexBlobStore } from '../src/blobstore/decorators/sql-index/sql-index-blob-store.js';
import { silentLogger } from '../src/common/logger.js';
import { Digest } from '../src/digest/digest.js';
import type { Database } from '../src/sql/database.js';
import { openDatabase } from '../src/sql/open-database.js';
import { queryRows } from '../src/sql/query-rows.js';

// The index of blobs in SQL: what FindMissing of 1,000 digests costs on a small table and on a large one, whose use was noted
// just before or has to be written down, beside one bare statement of the same list; entering, removing, counting. Arguments:
// how many rows the large table has (1000000), and a connection string (a new SQLite file) of an empty database.

const rowsAtTheEnd = Number(process.argv[2] ?? 1_000_000);
const folder = await mkdtemp(join(tmpdir(), 'bgd-bench-'));
const connectionString = process.argv[3] ?? `sqlite:///${join(folder, 'index.db')}`;
const day = 86_400_000;
const listLength = 1_000;

function line(what: string, figure: string): void {
  console.log(`${what.padEnd(72)} ${figure.padStart(18)}`);
}

async function medianMs(runs: number, task: () => Promise<unknown>): Promise<number> {
  const all: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const startMs = performance.now();
    await task();
    all.push(performance.now() - startMs);
  }
  return all.toSorted((a, b) => a - b)[runs >> 1] ?? 0;
}

const ms = (value: number): string => `${value.toFixed(2)} ms`;

const newDigests = (count: number): Digest[] =>
  Array.from({ length: count }, () =>
    Digest.from(randomBytes(32).toString('hex'), 1 + (randomBytes(2).readUInt16LE() || 1)),
  );

/** Some of the blobs that are in the table. */
function sampleOf(known: readonly Digest[]): Digest[] {
  return Array.from({ length: listLength }, () => known[randomBytes(4).readUInt32LE() % known.length]!);
}

async function grow(index: BlobIndex, known: Digest[], until: number): Promise<void> {
  while (known.length < until) {
    const batch = newDigests(Math.min(10_000, until - known.length));
    await index.refill(batch.map((digest) => ({ digest, modifiedAtMs: Date.now() - day })));
    known.push(...batch);
  }
}

/** Lists are made before the clock runs. */
async function measure(database: Database, store: SqlIndexBlobStore, known: readonly Digest[]): Promise<void> {
  const rows = `${known.length} rows`;
  const { listOf } = database.dialect;
  const lists = Array.from({ length: 11 }, () => sampleOf(known));
  const fresh = lists.map(() => newDigests(listLength));
  const each = (of: readonly Digest[][], task: (digests: Digest[]) => Promise<unknown>): Promise<number> => {
    const left = [...of];
    return medianMs(of.length, () => task(left.pop() ?? []));
  };
  const bare = await each(lists, (digests) => {
    const { from, bindings } = listOf({ digest: digests.map(({ key }) => key) });
    const statement = `SELECT digest FROM blob_index WHERE digest IN (SELECT digest FROM ${from})`;
    return queryRows(database, statement, bindings);
  });
  line(`bare SELECT of ${listLength} digests, ${rows}`, ms(bare));
  line(`FindMissing, none there, ${rows}`, ms(await each(fresh, (digests) => store.findMissing(digests))));
  line(
    `FindMissing, all there, not used for long, ${rows}`,
    ms(await each(lists, (digests) => store.findMissing(digests))),
  );
  line(
    `FindMissing, all there, used just before, ${rows}`,
    ms(await each(lists, (digests) => store.findMissing(digests))),
  );
}

try {
  await using database = await openDatabase(connectionString, { logger: silentLogger });
  await using store = await SqlIndexBlobStore.open(new MemoryBlobStore(), { database });
  const index = new BlobIndex(database);
  const known: Digest[] = [];
  line('database', database.dialect.name);
  await grow(index, known, listLength);
  await measure(database, store, known);
  const startMs = performance.now();
  await grow(index, known, rowsAtTheEnd);
  line(`entering rows, 10,000 a statement`, `${Math.round(known.length / ((performance.now() - startMs) / 1000))}/s`);
  await measure(database, store, known);
  line('entering 100 new blobs of one batch', ms(await medianMs(21, () => index.record(newDigests(100)))));
  line('counting all', ms(await medianMs(3, () => index.totals())));
  const removals = new BlobRemovals(database, new MemoryBlobStore());
  const order = { maxBlobs: 1_000, sizeBytes: Number.MAX_SAFE_INTEGER, unusedForMs: 0 };
  line('removing the oldest 1,000, without the storage', ms(await medianMs(11, () => removals.takeOldest(order))));
} finally {
  await rm(folder, { recursive: true, force: true });
}
