import { randomBytes, randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ClientHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lifecycle } from '../src/common/lifecycle.js';
import {
  type BenchBlob,
  batchUpdateRequest,
  blobOf,
  newBlobs,
  paths,
  readRequest,
  writeRequests,
} from './harness/cas-messages.js';
import { Http2Load } from './harness/http2-load.js';
import { median, report } from './harness/report.js';
import { type BenchServer, builtEntry, startBgd } from './harness/server.js';

// What many clients at once cost the server in memory, beside the budget that docs/configuration.md declares, and whether
// somebody starves meanwhile.

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '100' },
    batches: { type: 'string', default: '5' },
    readers: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '20' },
    uploads: { type: 'string', default: '200' },
    entry: { type: 'string', default: builtEntry },
  },
});
const count = (name: keyof typeof values): number => Number(values[name]);

const mebibyte = 1024 * 1024;
const budgetBytes = 1280 * mebibyte;
const blobBytes = 100_000_000;

/** One of so many readers is quick; the others take {@link slowBytes} twice a second, or stop. */
const quickShare = 50;
const slowBytes = 16 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-'));

async function peakBytes(server: BenchServer, task: () => Promise<void>): Promise<number> {
  server.process.forgetPeak();
  await task();
  return server.process.peakRssBytes();
}

function reportPeak(name: string, bytes: number): void {
  const figure = `${(bytes / mebibyte).toFixed(0)} MiB RSS`;
  report({ name, figure, limit: `${budgetBytes / mebibyte} MiB`, ratio: bytes / budgetBytes, goal: 1, isLimit: true });
}

/** The slowest of those who do the same beside the one in the middle. */
function reportFairness(name: string, times: readonly number[]): void {
  const [most, middle] = [Math.max(...times), median(times)];
  const ratio = most / middle;
  report({
    name,
    figure: `${most.toFixed(1)} s slowest`,
    limit: `${middle.toFixed(1)} s median`,
    ratio,
    goal: 3,
    isLimit: true,
  });
}

async function secondsOf(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return (performance.now() - start) / 1000;
}

/** Each client has a connection of its own, and sends one batch of 4 MiB after another. */
async function benchBatches(server: BenchServer): Promise<void> {
  await using loads = new Lifecycle();
  const clients = await Promise.all(
    Array.from({ length: count('clients') }, async () => loads.use(await Http2Load.connect(server.port))),
  );
  const times: number[] = [];
  const peak = await peakBytes(server, async () => {
    for (let round = 0; round < count('batches'); round += 1) {
      await Promise.all(
        clients.map(async (client) => {
          const body = batchUpdateRequest(newBlobs(60, 64 * 1024));
          times.push(await secondsOf(() => client.call(paths.batchUpdate, body)));
        }),
      );
    }
  });
  reportPeak(`${values.clients} clients, ${values.batches} batches of 4 MiB each`, peak);
  reportFairness('  time of a batch', times);
}

async function upload(server: BenchServer): Promise<BenchBlob> {
  await using load = await Http2Load.connect(server.port);
  const blob = blobOf(randomBytes(blobBytes));
  await load.upload(paths.write, writeRequests(blob, randomUUID()));
  // Verified once in the life of the process; what is measured is what comes after.
  await load.download(paths.read, readRequest(blob));
  return blob;
}

/** Reads a little twice a second until it is told to stop. Returns how much it got. */
async function readSlowly(stream: ClientHttp2Stream, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  stream.on('error', () => undefined);
  while (!signal.aborted) {
    const data = stream.read(slowBytes) as Buffer | null;
    bytes += data?.length ?? 0;
    await delay(500, undefined, { signal }).catch(() => undefined);
  }
  stream.destroy();
  return bytes;
}

async function benchReaders(server: BenchServer): Promise<void> {
  const blob = await upload(server);
  await using loads = new Lifecycle();
  const clients = await Promise.all(
    Array.from({ length: count('connections') }, async () =>
      loads.use(await Http2Load.connect(server.port, { isNarrow: true })),
    ),
  );
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const slow: Promise<number>[] = [];
  const quick: Promise<number>[] = [];
  const peak = await peakBytes(server, async () => {
    for (let reader = 0; reader < count('readers'); reader += 1) {
      const client = clients[reader % clients.length]!;
      if (reader % quickShare === 0) {
        quick.push(secondsOf(() => client.download(paths.read, readRequest(blob))));
      } else {
        const stream = client.open(paths.read, 0);
        stream.end(readRequest(blob));
        slow.push(readSlowly(stream, stop.signal));
      }
    }
    await Promise.all(quick);
    stop.abort();
  });
  const got = await Promise.all(slow);
  reportPeak(`${values.readers} reads of 100 MB on ${values.connections} connections, 49 of 50 slow`, peak);
  reportFairness('  time of a quick one', await Promise.all(quick));
  const starved = got.filter((bytes) => bytes === 0).length;
  console.log(`  slow ones got ${(median(got) / 1024).toFixed(0)} KiB each, ${starved} of ${got.length} got nothing`);
}

/** Large blobs, more at once than the disk can take: what the server takes ahead is what its windows allow. */
async function benchUploads(server: BenchServer): Promise<void> {
  await using loads = new Lifecycle();
  const clients = await Promise.all(
    Array.from({ length: count('connections') }, async () => loads.use(await Http2Load.connect(server.port))),
  );
  const data = randomBytes(8 * mebibyte);
  const times: number[] = [];
  const peak = await peakBytes(server, async () => {
    await Promise.all(
      Array.from({ length: count('uploads') }, async (_, index) => {
        data.writeUInt32LE(index);
        const parts = [...writeRequests(blobOf(data), randomUUID())];
        times.push(await secondsOf(() => clients[index % clients.length]!.upload(paths.write, parts)));
      }),
    );
  });
  reportPeak(`${values.uploads} uploads of 8 MiB on ${values.connections} connections`, peak);
  reportFairness('  time of an upload', times);
}

async function bench(): Promise<void> {
  await using servers = new Lifecycle();
  const storage = `!disk-storage { path: ${join(folder, 'cas')}, size: 20G }`;
  const server = await startBgd({ entry: values.entry, folder, storage });
  servers.use(server.process);
  console.log(`  at rest ${(server.process.rssBytes() / mebibyte).toFixed(0)} MiB`);
  await benchBatches(server);
  await benchReaders(server);
  await benchUploads(server);
}

try {
  await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
