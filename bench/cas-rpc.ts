import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Lifecycle } from '../src/common/lifecycle.js';
import { reapi } from '../src/proto/index.js';
import {
  type BenchBlob,
  batchUpdateRequest,
  blobOf,
  digestOf,
  findMissingRequest,
  newBlobs,
  paths,
  readRequest,
  writeRequests,
} from './harness/cas-messages.js';
import { framed } from './harness/frame.js';
import { Http2Load } from './harness/http2-load.js';
import { median, report, seconds } from './harness/report.js';
import { type BenchServer, builtEntry, startBgd, startRaw } from './harness/server.js';

// What the CAS services cost, beside what node:http2, sha256 and the disk cost alone in the same run. Servers and load
// are processes of their own; the load is bare http2, so that the server is what is measured. Rounds are interleaved and
// medians taken. "/core" is what one core of the server would answer in a second, which moves less with the neighbours.

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    mebibytes: { type: 'string', default: '256' },
    blobs: { type: 'string', default: '100000' },
    entry: { type: 'string', default: builtEntry },
    storage: { type: 'string', default: 'disk' },
    only: { type: 'string', default: 'calls,large,store' },
  },
});
const rounds = Number(values.rounds);
const mebibyte = 1024 * 1024;
const largeBytes = Number(values.mebibytes) * mebibyte;
const roundMs = 500;

const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-'));

/** One side of a comparison: a server, a client for it, and the call. */
interface Side {
  readonly server: BenchServer;
  readonly load: Http2Load;
  readonly path: string;
  readonly next: (index: number) => Uint8Array;
  /** Calls a round; by default as many as fit into {@link roundMs}. */
  readonly count?: number;
}

/** Answers a second that a whole core of the server gives. */
async function ratePerCore({ server, load, path, next, count }: Side): Promise<number> {
  const before = server.process.cpuMs();
  const calls = await load.hammer(path, next, count === undefined ? { ms: roundMs } : { count });
  return (calls / (server.process.cpuMs() - before)) * 1000;
}

/** A pair of sides, and what is wanted of the ratio. */
interface Comparison {
  readonly name: string;
  readonly ours: Side;
  readonly limit: Side;
  readonly goal: number;
  readonly stretch?: number;
}

async function compareRates({ name, ours, limit, ...goals }: Comparison): Promise<void> {
  const rates: { ours: number; limit: number }[] = [];
  await ratePerCore({ ...ours, ...(ours.count !== undefined && { count: Math.ceil(ours.count / 4) }) });
  await ratePerCore(limit);
  for (let round = 0; round < rounds; round += 1) {
    rates.push({ limit: await ratePerCore(limit), ours: await ratePerCore(ours) });
  }
  report({
    name,
    figure: `${median(rates.map((each) => each.ours)).toFixed(0)} /s/core`,
    limit: `${median(rates.map((each) => each.limit)).toFixed(0)} /s/core`,
    ratio: median(rates.map((each) => each.ours)) / median(rates.map((each) => each.limit)),
    ...goals,
  });
}

const rateOf = (time: number): number => largeBytes / mebibyte / time;
const megabytes = (rate: number): string => `${rate.toFixed(0)} MiB/s`;

function sha256(data: Uint8Array): void {
  const hash = createHash('sha256');
  for (let at = 0; at < data.length; at += mebibyte) hash.update(data.subarray(at, at + mebibyte));
  hash.digest();
}

function writeAndSync(data: Uint8Array): void {
  const path = join(folder, 'limit');
  const file = openSync(path, 'w');
  for (let at = 0; at < data.length; at += mebibyte) writeSync(file, data, at, mebibyte);
  fsyncSync(file);
  closeSync(file);
  rmSync(path);
}

/** How much more memory `server` had at the most while `task` ran, in MiB. */
async function growth(server: BenchServer, task: () => Promise<void>): Promise<number> {
  const before = server.process.rssBytes();
  server.process.forgetPeak();
  await task();
  return (server.process.peakRssBytes() - before) / mebibyte;
}

function reportGrowth(name: string, values: readonly number[]): void {
  const most = Math.max(...values);
  report({
    name,
    figure: `${most.toFixed(0)} MiB`,
    limit: '128 MiB',
    ratio: most / 128,
    goal: 1,
    isLimit: true,
  });
}

async function benchLargeBlobs(server: BenchServer, raw: BenchServer): Promise<void> {
  await using load = await Http2Load.connect(server.port);
  await using rawLoad = await Http2Load.connect(raw.port);
  const data = randomBytes(largeBytes);
  const times = { up: [] as number[], sha: [] as number[], disk: [] as number[], write: [] as number[] };
  const reads: { limit: number; ours: number }[] = [];
  const cpu = { write: [] as number[], read: [] as number[] };
  const grown = { write: [] as number[], read: [] as number[] };
  const empty = framed(new Uint8Array());
  let blob: BenchBlob = blobOf(data);
  for (let round = 0; round < rounds; round += 1) {
    data.writeUInt32LE(round);
    blob = blobOf(data);
    const parts = Array.from(writeRequests(blob, randomUUID()));
    times.up.push(await seconds(() => rawLoad.upload('/up', parts)));
    times.sha.push(await seconds(() => sha256(data)));
    times.disk.push(await seconds(() => writeAndSync(data)));
    const cpuBefore = server.process.cpuMs();
    grown.write.push(
      await growth(server, async () => {
        times.write.push(await seconds(() => load.upload(paths.write, parts)));
      }),
    );
    cpu.write.push(server.process.cpuMs() - cpuBefore);
  }
  for (let round = 0; round < rounds; round += 1) {
    const limit = await seconds(() => rawLoad.download(`/down/${largeBytes}`, empty));
    const cpuBefore = server.process.cpuMs();
    const peak = await growth(server, async () => {
      const ours = await seconds(() => load.download(paths.read, readRequest(blob)));
      // The first read in the life of a process is verified; it is reported by itself.
      if (round === 0) console.log(`  first read, verified: ${megabytes(rateOf(ours))}`);
      else reads.push({ limit, ours });
    });
    grown.read.push(peak);
    cpu.read.push(server.process.cpuMs() - cpuBefore);
  }
  const limit = median(reads.map((each) => each.limit));
  const ours = median(reads.map((each) => each.ours));
  report({
    name: `ByteStream.Read ${values.mebibytes} MiB, http2 down`,
    figure: megabytes(rateOf(ours)),
    limit: megabytes(rateOf(limit)),
    ratio: median(reads.map((each) => each.limit / each.ours)),
    goal: 0.55,
    stretch: 0.75,
  });
  reportGrowth('  RSS growth of the server', grown.read);
  console.log(`  server CPU ${median(cpu.read).toFixed(0)} ms`);
  const serial = times.up.map((up, round) => up + times.sha[round]! + times.disk[round]!);
  report({
    name: `ByteStream.Write ${values.mebibytes} MiB durable, serial sum`,
    figure: megabytes(rateOf(median(times.write))),
    limit: megabytes(rateOf(median(serial))),
    ratio: median(serial.map((limitTime, round) => limitTime / times.write[round]!)),
    goal: 0.7,
    stretch: 0.9,
  });
  console.log(
    `  of which http2 up ${megabytes(rateOf(median(times.up)))}, sha256 ${megabytes(rateOf(median(times.sha)))}, ` +
      `write + fsync ${megabytes(rateOf(median(times.disk)))}`,
  );
  reportGrowth('  RSS growth of the server', grown.write);
  console.log(`  server CPU ${median(cpu.write).toFixed(0)} ms`);
}

async function fillRaw(raw: Http2Load, blobs: readonly BenchBlob[]): Promise<void> {
  await raw.call('/fill', framed(Buffer.from(blobs.map(({ hash }) => hash).join(''))));
}

async function store(load: Http2Load, blobs: readonly BenchBlob[]): Promise<void> {
  const each = 20_000;
  for (let start = 0; start < blobs.length; start += each) {
    const answer = await load.call(paths.batchUpdate, batchUpdateRequest(blobs.slice(start, start + each)));
    const { responses } = reapi.BatchUpdateBlobsResponse.decode(answer.subarray(5));
    const failure = responses.find(({ status }) => (status?.code ?? 0) !== 0);
    if (failure) throw new Error(`A blob was not stored: ${failure.status?.message}`);
  }
}

/** Half of them are stored. */
async function prepareFindMissing(load: Http2Load, raw: Http2Load, count: number): Promise<Buffer> {
  const asked = newBlobs(count, 100);
  const stored = asked.filter((_, index) => index % 2 === 0);
  await store(load, stored);
  await fillRaw(raw, stored);
  return findMissingRequest(asked);
}

async function benchCalls(server: BenchServer, raw: BenchServer): Promise<void> {
  await using load = await Http2Load.connect(server.port, { connections: 2 });
  await using rawLoad = await Http2Load.connect(raw.port, { connections: 2 });
  const [ours, limit] = [
    { server, load },
    { server: raw, load: rawLoad },
  ];
  const empty = framed(new Uint8Array());
  const echo: Side = { ...limit, path: '/echo', next: () => empty };

  await compareRates({
    name: 'Empty call, http2 echo',
    ours: { ...ours, path: paths.findMissing, next: () => empty },
    limit: echo,
    goal: 0.6,
  });

  for (const [count, goal] of [
    [1, 0.75],
    [1_000, 0.8],
  ] as const) {
    const request = await prepareFindMissing(load, rawLoad, count);
    await compareRates({
      name: `FindMissingBlobs of ${count}, http2 + hand parser`,
      ours: { ...ours, path: paths.findMissing, next: () => request },
      limit: { ...limit, path: '/find-missing', next: () => request },
      goal,
    });
  }

  const action = await prepareActionResult(load);
  await compareRates({
    name: 'GetActionResult, complete, 3 outputs, http2 echo',
    ours: { ...ours, path: paths.getActionResult, next: () => action },
    limit: echo,
    goal: 0.5,
  });

  const count = 150;
  const bodies = Array.from({ length: (rounds + 1) * count }, () => batchUpdateRequest(newBlobs(100, 1024)));
  let used = 0;
  await compareRates({
    name: 'BatchUpdateBlobs 100 x 1 KiB durable, http2 echo',
    ours: { ...ours, path: paths.batchUpdate, next: () => bodies[used++]!, count },
    limit: { ...limit, path: '/echo', next: (index) => bodies[index % bodies.length]! },
    goal: 0.25,
    stretch: 0.35,
  });
  const least: Side = { ...limit, path: '/store', next: () => bodies[used++ % bodies.length]!, count };
  const rates: number[] = [];
  while (rates.length < rounds) rates.push(await ratePerCore(least));
  console.log(`  http2, 100 x sha256, append and flush by themselves: ${median(rates).toFixed(0)} /s/core`);
}

async function prepareActionResult(load: Http2Load): Promise<Buffer> {
  const outputs = newBlobs(3, 2_000);
  await store(load, outputs);
  const actionDigest = digestOf(newBlobs(1, 200)[0]!);
  const actionResult = {
    outputFiles: outputs.map((blob, index) => ({ path: `out/file-${index}.o`, digest: digestOf(blob) })),
    executionMetadata: { worker: 'bench' },
  };
  const update = reapi.UpdateActionResultRequest.encode({ actionDigest, actionResult }).finish();
  await load.call(paths.updateActionResult, framed(update));
  return framed(reapi.GetActionResultRequest.encode({ actionDigest }).finish());
}

/** The same question to a store of many blobs and to one of few. */
async function benchLargeStore(storage: string): Promise<void> {
  const times: { count: number; rates: number[]; side: Side }[] = [];
  await using opened = new Lifecycle();
  for (const count of [1_000, Number(values.blobs)]) {
    const server = await startBgd({
      entry: values.entry,
      folder: mkdtempSync(join(folder, 'store-')),
      storage: storage.replace('STORE', `store-${count}`),
    });
    opened.use(server.process);
    const load = opened.use(await Http2Load.connect(server.port, { connections: 2 }));
    let asked: BenchBlob[] = [];
    for (let stored = 0; stored < count; stored += 20_000) {
      const blobs = newBlobs(Math.min(20_000, count - stored), 24);
      await store(load, blobs);
      asked = [...asked, ...blobs.slice(0, Math.ceil((500 * blobs.length) / count))].slice(0, 500);
    }
    const request = findMissingRequest(asked.concat(newBlobs(500, 24)));
    times.push({ count, rates: [], side: { server, load, path: paths.findMissing, next: () => request } });
  }
  for (const { side } of times) await ratePerCore(side);
  for (let round = 0; round < rounds; round += 1)
    for (const each of times) each.rates.push(await ratePerCore(each.side));
  const [small, large] = times.map(({ rates }) => median(rates)) as [number, number];
  report({
    name: `FindMissingBlobs of 1000 in ${values.blobs} blobs, in 1000`,
    figure: `${large.toFixed(0)} /s/core`,
    limit: `${small.toFixed(0)} /s/core`,
    ratio: large / small,
    goal: 0.5,
  });
}

async function bench(parts: readonly string[]): Promise<void> {
  await using servers = new Lifecycle();
  const raw = await startRaw();
  servers.use(raw.process);
  const inMemory = values.storage === 'memory';
  const storage = inMemory
    ? '!lru-storage { size: 8G }'
    : `!disk-storage { path: ${join(folder, 'STORE')}, size: 20G }`;
  const bgd = await startBgd({ entry: values.entry, folder, storage: storage.replace('STORE', 'cas') });
  servers.use(bgd.process);
  if (parts.includes('calls')) await benchCalls(bgd, raw);
  if (parts.includes('large')) await benchLargeBlobs(bgd, raw);
  if (parts.includes('store')) await benchLargeStore(storage);
}

try {
  await bench(values.only.split(','));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
