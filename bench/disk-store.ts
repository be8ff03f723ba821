import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DiskBlobStore } from '../src/blobstore/backends/disk-blob-store.js';
import { Lifecycle } from '../src/common/lifecycle.js';
import { Digest } from '../src/digest/digest.js';
import type { StoreStats } from '../src/blobstore/store-stats.js';
import { BurstMeter } from './harness/burst-meter.js';
import { MeasuredProcess } from './harness/child.js';
import { fill, noLimit } from './harness/disk-folder.js';
import type { Restart } from './harness/disk-restart.js';
import { Http2Load } from './harness/http2-load.js';
import { median, report } from './harness/report.js';

// The disk store: restart, memory, look-ups, small writes and eviction, each beside its limit or its goal.

const { values } = parseArgs({
  options: {
    blobs: { type: 'string', default: '100000' },
    evicted: { type: 'string', default: '100000' },
    folder: { type: 'string', default: tmpdir() },
    only: { type: 'string', default: 'restart,batches,eviction' },
  },
});
const blobCount = Number(values.blobs);
const evictedCount = Number(values.evicted);
const nothing = Buffer.alloc(0);
const folder = mkdtempSync(join(values.folder, 'bgd-bench-'));

interface SmallBlob {
  readonly digest: Digest;
  readonly data: Buffer;
}

function newBlobs(count: number): SmallBlob[] {
  const bytes = randomBytes(count * 1024);
  return Array.from({ length: count }, (_, index) => {
    const data = bytes.subarray(index * 1024, (index + 1) * 1024);
    return { digest: Digest.of(data), data };
  });
}

function restart(path: string, count: number, ...metered: string[]): Restart {
  const script = fileURLToPath(new URL('harness/disk-restart.ts', import.meta.url));
  const argv = ['--expose-gc', '--import', 'tsx', script, path, String(count), ...metered];
  const { stdout } = spawnSync(process.execPath, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(stdout) as Restart;
}

async function reportRestart(): Promise<void> {
  await fill(join(folder, 'many'), blobCount);
  await fill(join(folder, 'few'), 1000);
  const few = restart(join(folder, 'few'), 1000);
  // The first one writes the file of uses.
  const { burstMs } = restart(join(folder, 'many'), blobCount, 'metered');
  const many = restart(join(folder, 'many'), blobCount);
  const atMost = (name: string, figure: number, limit: number, unit: string): void => {
    const text = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`;
    report({ name, figure: text(figure), limit: text(limit), ratio: figure / limit, goal: 1, isLimit: true });
  };
  atMost(`restart with ${blobCount} blobs: serving`, many.openMs, 2_000, 'ms');
  atMost('restart: index complete', many.completeMs, 30_000, 'ms');
  atMost('restart: longest burst on the event loop', burstMs, 50, 'ms');
  atMost('memory of the index, a blob', many.indexBytes / blobCount, 150, 'bytes');
  atMost('all memory that grew at the start, a blob', many.grownBytes / blobCount, 150, 'bytes');
  atMost(`look-up of 1,000 of ${blobCount}: 2 x those of 1,000`, many.presenceMs, 2 * few.presenceMs, 'ms');
  atMost(`findMissing of 1,000 of ${blobCount}: likewise`, many.findMissingMs, 2 * few.findMissingMs, 'ms');
}

/** Batches of 100 x 1 KiB, durable: in the store, with a file a blob, and appended to a file without any order. */
async function reportBatches(): Promise<void> {
  const store = await DiskBlobStore.open({ path: join(folder, 'batches'), maxBytes: noLimit });
  const raw = openSync(join(folder, 'raw'), 'w');
  mkdirSync(join(folder, 'files'));
  const rates = { store: [] as number[], files: [] as number[], raw: [] as number[] };
  const timed = async (rate: number[], count: number, task: (batch: SmallBlob[]) => unknown): Promise<void> => {
    const batches = Array.from({ length: count }, () => newBlobs(100));
    const start = performance.now();
    for (const batch of batches) await task(batch);
    rate.push(((count * 100) / (performance.now() - start)) * 1000);
  };
  for (let round = 0; round < 7; round += 1) {
    await timed(rates.store, 50, (batch) => store.writeBatch(batch));
    await timed(rates.raw, 50, (batch) => {
      writeSync(raw, Buffer.concat(batch.map(({ data }) => data)));
      fdatasyncSync(raw);
    });
    await timed(rates.files, 5, (batch) => {
      for (const { digest, data } of batch) {
        const file = openSync(join(folder, 'files', digest.hash), 'w');
        writeSync(file, data);
        fdatasyncSync(file);
        closeSync(file);
      }
    });
  }
  closeSync(raw);
  await store[Symbol.asyncDispose]();
  const text = (rate: readonly number[]): string => `${median(rate).toFixed(0)} blobs/s`;
  const compare = (name: string, limit: readonly number[], goal: number): void =>
    report({ name, figure: text(rates.store), limit: text(limit), ratio: median(rates.store) / median(limit), goal });
  compare('writeBatch 100 x 1 KiB, and a file a blob', rates.files, 10);
  compare('writeBatch 100 x 1 KiB, and a bare append', rates.raw, 0.35);
}

/** How many bytes the packs of a store take. */
function packBytes(path: string): number {
  const names = readdirSync(join(path, 'packs')).filter((name) => name.endsWith('.pack'));
  return names.reduce(
    (sum, name) => sum + (statSync(join(path, 'packs', name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** Fills a store with blobs to evict, and some more that were used last. Opened with a budget of half, it evicts. */
async function fillForEviction(
  path: string,
): Promise<{ readonly last: readonly SmallBlob[]; readonly maxBytes: number }> {
  const maxBytes = evictedCount * 2 * 1080;
  const store = await DiskBlobStore.open({ path, maxBytes: maxBytes * 1.5 });
  for (let start = 0; start < evictedCount * 2 - 1000; start += 1000) await store.writeBatch(newBlobs(1000));
  const last = newBlobs(1000);
  await store.writeBatch(last);
  await store[Symbol.asyncDispose]();
  return { last, maxBytes: Math.floor(packBytes(path) / 2 / 0.9) };
}

/** Times of reads of 1 KiB over bare http2, one after the other, in milliseconds. */
async function readsWhile(
  goesOn: (count: number) => boolean,
  load: Http2Load,
  blobs: readonly SmallBlob[],
): Promise<readonly number[]> {
  const times: number[] = [];
  while (goesOn(times.length)) {
    const { hash, sizeBytes } = blobs[times.length % blobs.length]!.digest;
    const start = performance.now();
    await load.call(`/${hash}-${sizeBytes}`, nothing);
    times.push(performance.now() - start);
  }
  return times.sort((one, other) => one - other);
}

/** The server is warm when the eviction begins, and opens the folder anew for both of what is compared. */
async function reportEviction(): Promise<void> {
  const path = join(folder, 'eviction');
  const { last, maxBytes } = await fillForEviction(path);
  const script = fileURLToPath(new URL('harness/store-server.ts', import.meta.url));
  const argv = ['--import', 'tsx', script, path, String(noLimit)];
  await using lifecycle = new Lifecycle();
  const { process, found } = await MeasuredProcess.start(argv, /^listening on (\d+)$/m);
  lifecycle.use(process);
  const load = lifecycle.use(await Http2Load.connect(Number(found)));
  await readsWhile((count) => count < 3000, load, last);
  await load.call(`/open/${noLimit}`, nothing);
  const quiet = await readsWhile((count) => count < 5000, load, last);
  await load.call(`/open/${maxBytes}`, nothing);
  const start = performance.now();
  const isEvicting = (count: number): boolean => count % 20 !== 0 || packBytes(path) > maxBytes * 0.92;
  const busy = await readsWhile(isEvicting, load, last);
  const tookMs = performance.now() - start;
  const { figures } = JSON.parse(String(await load.call('/stats', nothing))) as StoreStats;
  console.log(`${figures?.['evictedBlobs']} blobs were evicted in ${tookMs.toFixed(0)} ms, with ${busy.length} reads`);
  for (const share of [0.5, 0.99]) {
    const [during, before] = [busy, quiet].map((times) => times[Math.floor(times.length * share)] ?? 0) as [
      number,
      number,
    ];
    const text = (ms: number): string => `${ms.toFixed(2)} ms`;
    const name = `reads while blobs are evicted: p${share * 100}`;
    report({ name, figure: text(during), limit: text(before), ratio: during / before, goal: 2, isLimit: true });
  }
}

/** The longest time that eviction keeps the event loop. */
async function reportBlocks(): Promise<void> {
  const path = join(folder, 'blocks');
  const { maxBytes } = await fillForEviction(path);
  const store = await DiskBlobStore.open({ path, maxBytes });
  const meter = new BurstMeter();
  while (packBytes(path) > maxBytes * 0.92) await delay(20);
  meter[Symbol.dispose]();
  const { figures } = await store.stats();
  await store[Symbol.asyncDispose]();
  const blockedMs = meter.longestMs;
  report({
    name: `longest burst while ${figures?.['evictedBlobs']} are evicted`,
    figure: `${blockedMs.toFixed(1)} ms`,
    limit: '50 ms',
    ratio: blockedMs / 50,
    goal: 1,
    isLimit: true,
  });
}

try {
  const wanted = values.only.split(',');
  if (wanted.includes('restart')) await reportRestart();
  if (wanted.includes('batches')) await reportBatches();
  if (wanted.includes('eviction')) {
    await reportEviction();
    await reportBlocks();
  }
} finally {
  rmSync(folder, { recursive: true });
}
