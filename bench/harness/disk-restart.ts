import { setTimeout as delay } from 'node:timers/promises';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { SHA256 } from '../../src/digest/digest-function.js';
import type { Digest } from '../../src/digest/digest.js';
import { BurstMeter } from './burst-meter.js';
import { digestOf, noLimit, packedBytes, packedOf } from './disk-folder.js';
import { median } from './report.js';

// Opens the folder and count that it is told, and prints as JSON what that took: a process of its own, so that nothing is warm.

/** What this prints. */
export interface Restart {
  readonly openMs: number;
  readonly completeMs: number;
  /** Longest computation without a return to the event loop. */
  readonly burstMs: number;
  readonly indexBytes: number;
  /** By how much all memory of JavaScript grew. */
  readonly grownBytes: number;
  /** Milliseconds for 1,000 blobs: as FindMissingBlobs asks, and as `BlobStore.findMissing` does. */
  readonly presenceMs: number;
  readonly findMissingMs: number;
}

async function restart(path: string, count: number, isMetered: boolean): Promise<Restart> {
  const memory = (): number => {
    gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = memory();
  // It takes time itself, so there is a run with it and one without.
  using meter = isMetered ? new BurstMeter() : undefined;
  const start = performance.now();
  const store = await DiskBlobStore.open({ path, maxBytes: noLimit });
  const openMs = performance.now() - start;
  while (store.count < count) await delay(1);
  const completeMs = performance.now() - start;
  // The file of uses is read, too, before the first is named.
  await store.list()[Symbol.asyncIterator]().next();
  const burstMs = meter?.longestMs ?? 0;
  const grownBytes = memory() - before;
  const { figures } = await store.stats();
  const lookUps = await lookUp(store, count);
  await store[Symbol.asyncDispose]();
  const indexBytes = figures?.['indexMemoryBytes'] ?? 0;
  return { openMs, completeMs, burstMs, indexBytes, grownBytes, ...lookUps };
}

async function lookUp(store: DiskBlobStore, count: number): Promise<{ presenceMs: number; findMissingMs: number }> {
  const presence: number[] = [];
  const findMissing: number[] = [];
  const anyOfThem = (): Digest[] =>
    Array.from({ length: 1000 }, () => digestOf(Math.floor(Math.random() * packedOf(count)), count));
  for (let round = 0; round < 200; round += 1) {
    // Others for each way: the processor has the first ones in its cache afterwards.
    const [digests, others] = [anyOfThem(), anyOfThem()];
    const text = Buffer.from(digests.map(({ hash }) => hash).join(''));
    let start = performance.now();
    let found = 0;
    const known = store.presence;
    for (let at = 0; at < text.length; at += 64) if (known?.touch(SHA256, text, at, packedBytes)) found += 1;
    presence.push(performance.now() - start);
    if (found !== digests.length) throw new Error(`Only ${found} blobs are there`);
    start = performance.now();
    await store.findMissing(others);
    findMissing.push(performance.now() - start);
  }
  return { presenceMs: median(presence), findMissingMs: median(findMissing) };
}

const [path, count, metered] = process.argv.slice(2);
console.log(JSON.stringify(await restart(path!, Number(count), metered === 'metered')));
