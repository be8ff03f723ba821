import { randomBytes } from 'node:crypto';
import { readSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, open, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Blob } from '../src/blobstore/blob-store.js';
import { PackFolder } from '../src/blobstore/packs/pack-folder.js';
import type { PackPlace } from '../src/blobstore/packs/pack-place.js';
import { forEachConcurrently } from '../src/common/async-iteration.js';
import { Digest } from '../src/digest/digest.js';
import { SHA256 } from '../src/digest/digest-function.js';

// Pack segments beside their limits: appending beside a bare writev and fdatasync, and beside a file a blob; scanning beside
// bare sha256; reading beside a bare pread; and how long a start takes. Arguments: how many blobs a start finds (1000000), and
// the folder to work below (that of temporary files).

const startCount = Number(process.argv[2] ?? 1_000_000);
const root = await mkdtemp(join(process.argv[3] ?? tmpdir(), 'bgd-bench-'));
const batchLength = 100;
const kibibyte = 1024;

function line(what: string, figure: string, ratio = ''): void {
  console.log(`${what.padEnd(62)} ${figure.padStart(22)}  ${ratio}`);
}

function perSecond(count: number, ms: number): number {
  return (count / ms) * 1000;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Blobs with distinct contents; hashing them is not part of what is measured. */
function makeBlobs(count: number, sizeBytes: number): Blob[] {
  const noise = randomBytes(count * 8 + sizeBytes);
  return Array.from({ length: count }, (_, index) => {
    const data = noise.subarray(index * 8, index * 8 + sizeBytes);
    return { digest: Digest.of(data), data };
  });
}

/** Runs `task` and returns milliseconds. */
async function timed(task: () => unknown): Promise<number> {
  const startMs = performance.now();
  await task();
  return performance.now() - startMs;
}

function writeFiles(batch: readonly Blob[], folder: string): void {
  for (const { digest, data } of batch) {
    const temporary = join(folder, 'temporary');
    writeFileSync(temporary, data, { flush: true });
    renameSync(temporary, join(folder, digest.hash));
  }
}

/** The ways take turns batch by batch: what the disk grants differs from one second to the next. */
async function benchAppend(): Promise<void> {
  const times: Record<string, number[]> = {};
  const measure = async (name: string, count: number, task: () => unknown): Promise<void> => {
    (times[name] ??= []).push((await timed(task)) / count);
  };
  await using folder = await PackFolder.open({ path: join(root, 'append') });
  await using file = await open(join(root, 'raw'), 'w');
  let position = 0;
  for (let round = 0; round < 400; round += 1) {
    const batch = makeBlobs(batchLength, kibibyte);
    const buffers = batch.map(({ data }) => data);
    await measure('raw', 1, async () => {
      await file.writev(buffers, position);
      await file.datasync();
    });
    position += batchLength * kibibyte;
    await measure('one', 1, () => folder.append(batch));
    if (round % 20 === 0) {
      const batches = Array.from({ length: 16 }, () => makeBlobs(batchLength, kibibyte));
      await measure('many', batches.length, () => Promise.all(batches.map((each) => folder.append(each))));
    }
    if (round % 100 === 0) await measure('files', 1, () => writeFiles(makeBlobs(batchLength, kibibyte), root));
  }
  const limitMs = median(times['raw'] ?? []);
  const filesMs = median(times['files'] ?? []);
  const report = (what: string, name: string): void => {
    const ms = median(times[name] ?? []);
    const ratios = `${(limitMs / ms).toFixed(2)} x limit, ${(filesMs / ms).toFixed(0)} x files`;
    line(what, `${perSecond(1, ms).toFixed(0)} batches/s`, ratios);
  };
  console.log(`Append, durable, ${batchLength} x 1 KiB a batch`);
  report('  LIMIT one writev + fdatasync a batch', 'raw');
  report('  PackFolder.append, one batch at a time', 'one');
  report('  PackFolder.append, 16 batches at a time', 'many');
  report('  a file a blob: temporary, fdatasync, rename', 'files');
}

async function benchStart(): Promise<void> {
  const path = join(root, 'start');
  {
    await using folder = await PackFolder.open({ path });
    for (let left = startCount; left > 0; left -= 20_000) await folder.append(makeBlobs(Math.min(left, 20_000), 200));
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const list = async (): Promise<{ ms: number; count: number; maxDelayMs: number; bytes: number }> => {
    const folder = await PackFolder.open({ path });
    let count = 0;
    let sum = 0;
    delay.reset();
    delay.enable();
    const ms = await timed(() =>
      folder.list(({ bytes, hashStart }) => {
        sum += bytes.readUInt32LE(hashStart);
        count += 1;
      }),
    );
    delay.disable();
    const { fileBytes } = folder;
    await folder[Symbol.asyncDispose]();
    if (sum === 0) throw new Error('The hashes are not there');
    return { ms, count, maxDelayMs: delay.max / 1e6, bytes: fileBytes };
  };
  console.log(`Start with ${startCount} blobs of 200 bytes`);
  for (const name of ['from hints', 'from hints, again']) {
    const { ms, count, maxDelayMs } = await list();
    line(
      `  ${name}`,
      `${ms.toFixed(0)} ms`,
      `${count} records, event loop kept ${maxDelayMs.toFixed(0)} ms at the most`,
    );
  }
  for (const name of await readdir(path)) if (name.endsWith('.hint')) await rm(join(path, name));
  const { ms, count, maxDelayMs, bytes } = await list();
  line(
    '  by a scan',
    `${ms.toFixed(0)} ms`,
    `${count} records, ${mebibytesPerSecond(bytes, ms)}, event loop ${maxDelayMs.toFixed(0)} ms`,
  );
}

function mebibytesPerSecond(bytes: number, ms: number): string {
  return `${perSecond(bytes / kibibyte ** 2, ms).toFixed(0)} MiB/s`;
}

async function benchScan(): Promise<void> {
  const path = join(root, 'append');
  for (const name of await readdir(path)) if (name.endsWith('.hint')) await rm(join(path, name));
  await using folder = await PackFolder.open({ path });
  const bytes = folder.fileBytes;
  const limitMs = await timed(async () => {
    for (const name of await readdir(path)) {
      const content = await readFile(join(path, name));
      for (let start = 0; start < content.length; start += kibibyte)
        SHA256.hash(content.subarray(start, start + kibibyte));
    }
  });
  const ms = await timed(() => folder.list(() => undefined));
  console.log('Scan of segments with blobs of 1 KiB');
  line('  LIMIT readFile and sha256 of every KiB', mebibytesPerSecond(bytes, limitMs));
  line('  PackFolder.list without hints', mebibytesPerSecond(bytes, ms), `${(limitMs / ms).toFixed(2)} x limit`);
}

async function benchRead(): Promise<void> {
  await using folder = await PackFolder.open({ path: join(root, 'read') });
  const places: PackPlace[] = [];
  for (let batch = 0; batch < 100; batch += 1) places.push(...(await folder.append(makeBlobs(batchLength, kibibyte))));
  const shuffled = Array.from({ length: 100_000 }, () => places[Math.floor(Math.random() * places.length)]!);
  const [name = ''] = (await readdir(join(root, 'read'))).filter((each) => each.endsWith('.pack'));
  await using file = await open(join(root, 'read', name));
  const limitMs = await timed(() => {
    for (const { offset } of shuffled) readSync(file.fd, Buffer.allocUnsafe(kibibyte), 0, kibibyte, offset);
  });
  const asyncMs = await timed(() =>
    forEachConcurrently(
      shuffled,
      32,
      async ({ offset }) => void (await file.read(Buffer.allocUnsafe(kibibyte), 0, kibibyte, offset)),
    ),
  );
  const ms = await timed(async () => {
    for (const place of shuffled) await folder.read(place, kibibyte);
  });
  console.log('Read 100,000 blobs of 1 KiB that the kernel has in memory');
  const report = (what: string, elapsedMs: number): void =>
    line(what, `${perSecond(shuffled.length, elapsedMs).toFixed(0)} /s`, `${(limitMs / elapsedMs).toFixed(2)} x limit`);
  report('  LIMIT readSync', limitMs);
  report('  FileHandle.read, 32 at a time', asyncMs);
  report('  PackFolder.read, one at a time', ms);
}

try {
  await benchAppend();
  await benchRead();
  await benchScan();
  await benchStart();
} finally {
  await rm(root, { recursive: true });
}
