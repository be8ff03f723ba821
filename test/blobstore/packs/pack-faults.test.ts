import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Code } from '../../../src/common/code.js';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { PackFolder } from '../../../src/blobstore/packs/pack-folder.js';
import { leaveOut, needsProgram } from '../../helpers/capabilities.js';
import { hasCode } from '../../helpers/has-code.js';
import { times } from '../../helpers/chance.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { blobOf, filesIn, listed, textsOf } from './pack-bench.js';
import { runTraced, startProgram } from './pack-process.js';

const run = promisify(execFile);

/** Appends one blob after the other and prints how each ended. */
const appendEach = (texts: readonly string[]): string => `
  const folder = await PackFolder.open({ path });
  for (const text of ${JSON.stringify(texts)}) print(await outcomeOf(folder.append([blobOf(text)])));
  await folder[Symbol.asyncDispose]();
`;

describe('PackFolder on a failing disk', function () {
  this.timeout(60_000);
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;
  const texts = ['first', 'second', 'third'];
  const blobs = texts.map((text) => blobOf(text));

  before(function () {
    needsProgram(this, 'strace', 'pack segments on a failing disk');
  });

  beforeEach(async () => {
    directory = await temporaryDirectory();
    path = join(directory.path, 'packs');
    await mkdir(path);
  });

  afterEach(() => directory[Symbol.asyncDispose]());

  /** The texts of `wanted` that a start finds without reading hints, and the segments that there are. */
  async function found(wanted = blobs): Promise<{ texts: (string | undefined)[]; segments: number[]; log: number }> {
    const logger = new RecordingLogger();
    await using folder = await PackFolder.open({ path, logger });
    const segments = folder.segments().map(({ number }) => number);
    return { texts: await textsOf(folder, await listed(folder), wanted), segments, log: logger.lines.length };
  }

  it('writes and flushes once for all that waits', async () => {
    const { values, calls } = await runTraced<number>(
      path,
      `
        const folder = await PackFolder.open({ path });
        await folder.append([blobOf('makes the segment')]);
        const blobs = Array.from({ length: 300 }, (_, index) => blobOf('blob ' + index));
        print((await Promise.all(blobs.map((blob) => folder.append([blob])))).length);
        const late = [];
        const begin = folder.append([blobOf('under way')]);
        setImmediate(() => setImmediate(() => late.push(...blobs.map((blob) => folder.append([blob])))));
        await begin;
        print((await Promise.all(late)).length);
        process.exit();
      `,
      { traced: 'fdatasync,pwritev,pwrite64' },
    );

    assert.deepEqual(values, [300, 300]);
    const count = (name: string): number => calls.filter((call) => call.includes(name)).length;
    assert.equal(count('fdatasync('), 4);
    assert.equal(count('pwrite'), 4);
  });

  it('makes the name of a segment durable before its first record is acknowledged', async () => {
    const { calls } = await runTraced(
      path,
      `
        const folder = await PackFolder.open({ path });
        await folder.append([blobOf('a')]);
        process.exit();
      `,
      { traced: 'openat,fsync,fdatasync,pwritev,pwrite64' },
    );

    const names = calls.map((call) => /(\w+)\(/.exec(call)?.[1]).filter((name) => name !== 'openat');
    assert.deepEqual(
      names.slice(-3).map((name) => name?.slice(0, 6)),
      ['fsync', 'pwrite', 'fdatas'],
    );
  });

  it('tells of a full disk, cuts off what was written, and goes on when there is room', async () => {
    const faults = ['pwritev,pwrite64:error=ENOSPC:when=2'];

    const { values } = await runTraced(path, appendEach(texts), { traced: 'pwritev,pwrite64', faults });

    assert.deepEqual(values, ['stored', Code.ResourceExhausted, 'stored']);
    assert.deepEqual(await found(), { texts: ['first', 'third'], segments: [1], log: 0 });
  });

  it('tells all that share a write that it failed', async () => {
    const { values } = await runTraced<unknown[]>(
      path,
      `
        const folder = await PackFolder.open({ path });
        const append = () => Promise.all(['a', 'b', 'c'].map((text) => outcomeOf(folder.append([blobOf(text)]))));
        print(await append());
        print(await append());
        await folder[Symbol.asyncDispose]();
      `,
      { traced: 'pwritev,pwrite64', faults: ['pwritev,pwrite64:error=EIO:when=1'] },
    );

    assert.deepEqual(values, [Array(3).fill(Code.Unavailable), Array(3).fill('stored')]);
  });

  it('goes on with another segment if what was written cannot be cut off', async () => {
    const faults = ['pwritev,pwrite64:error=EIO:when=2', 'ftruncate:error=EIO:when=1'];

    const { values } = await runTraced(path, appendEach(texts), { traced: 'pwritev,pwrite64,ftruncate', faults });

    assert.deepEqual(values, ['stored', Code.Unavailable, 'stored']);
    assert.deepEqual(await found(), { texts: ['first', 'third'], segments: [1, 2], log: 0 });
  });

  it('goes on with another segment after a flush that failed, and does not count what it should have flushed', async () => {
    const faults = ['fdatasync:error=EIO:when=2'];

    const { values } = await runTraced(path, appendEach(texts), { traced: 'fdatasync', faults });

    assert.deepEqual(values, ['stored', Code.Unavailable, 'stored']);
    assert.deepEqual(await found(), { texts: ['first', 'third'], segments: [1, 2], log: 0 });
  });

  it('does not acknowledge records in a segment whose name is not durable', async () => {
    const faults = ['fsync:error=EIO:when=1'];

    const { values } = await runTraced(path, appendEach(texts), { traced: 'fsync', faults });

    assert.deepEqual(values, [Code.Unavailable, 'stored', 'stored']);
    assert.deepEqual(await found(), { texts: ['second', 'third'], segments: [2], log: 0 });
  });

  it('flushes tombstones before records in another segment are acknowledged', async () => {
    const { calls } = await runTraced(
      path,
      `
        const folder = await PackFolder.open({ path, maxSegmentBytes: 128 });
        const [place] = await folder.append([blobOf('a')]);
        await folder.forget([{ digest: blobOf('a').digest, place }]);
        await folder.append([blobOf('b')]);
        process.exit();
      `,
      { traced: 'fdatasync,pwritev,pwrite64' },
    );

    const names = calls
      .filter((call) => call.includes('.pack'))
      .map((call) => `${/pwrite|fdatasync/.exec(call)?.[0] ?? ''} ${/0000000\d/.exec(call)?.[0] ?? ''}`);
    assert.deepEqual(names, [
      'pwrite 00000001',
      'fdatasync 00000001',
      'pwrite 00000001',
      'fdatasync 00000001',
      'pwrite 00000002',
      'fdatasync 00000002',
    ]);
  });

  it('leaves a part that cannot be read alone, and finds what is behind it', async () => {
    const many = Array.from({ length: 60 }, (_, index) => blobOf(`blob ${index} `.padEnd(60_000, '.')));
    {
      await using folder = await PackFolder.open({ path });
      await folder.append(many);
    }
    const [file = ''] = await filesIn(path, '.pack');
    const list = `
      const { rmSync } = await import('node:fs');
      rmSync(${JSON.stringify(file.replace('.pack', '.hint'))}, { force: true });
      const folder = await PackFolder.open({ path });
      let count = 0;
      await folder.list(() => (count += 1));
      print(count);
      process.exit();
    `;

    const faults = ['pread64:error=EIO:when=2'];

    const { values } = await runTraced<number>(path, list, { traced: 'pread64', faults, file });
    const healed = await runTraced<number>(path, list, { traced: 'pread64' });

    assert.ok(values[0]! >= 50 && values[0]! < 60, `Found ${values[0]}`);
    assert.deepEqual(healed.values, [60]);
  });
});

describe('PackFolder on a full disk (U5)', () => {
  const mebibyte = 1024 * 1024;
  const lifecycle = new Lifecycle();
  let disk: string;

  before(async function () {
    if (process.getuid?.() !== 0) leaveOut(this, 'root', 'pack segments on a full disk (mounting a tmpfs needs root)');
    disk = lifecycle.use(await temporaryDirectory()).path;
    await run('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
    lifecycle.defer(() => run('umount', [disk]));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('leaves nothing of what did not fit, and takes it when there is room', async () => {
    const path = join(disk, 'packs');
    const filler = join(disk, 'filler');
    const large = Array.from({ length: 20 }, (_, index) => blobOf(`blob ${index} `.padEnd(50_000, '.')));
    {
      await using folder = await PackFolder.open({ path });
      await folder.append([blobOf('before')]);
      const { fileBytes } = folder;
      await writeFile(filler, Buffer.alloc(1.5 * mebibyte));

      await assert.rejects(folder.append(large), hasCode(Code.ResourceExhausted));

      assert.equal((await stat((await filesIn(path, '.pack'))[0]!)).size, fileBytes);
      await rm(filler);
      await folder.append(large);
    }
    await using folder = await PackFolder.open({ path });
    const wanted = [blobOf('before'), ...large];
    assert.deepEqual(
      await textsOf(folder, await listed(folder), wanted),
      wanted.map(({ data }) => String(data)),
    );
  });
});

describe('PackFolder whose process is killed (D1)', () => {
  it('has every blob that was acknowledged, whole, and none that was forgotten', async function () {
    this.timeout(600_000);
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'packs');
    const stored: string[] = [];
    const forgotten: string[] = [];
    const rounds = times(3, 60);

    for (let round = 0; round < rounds; round += 1) {
      const child = startProgram(
        path,
        `
          const folder = await PackFolder.open({ path, maxSegmentBytes: 256 * 1024 });
          const task = async (name) => {
            for (let number = 0; ; number += 1) {
              const text = (${round} + ' ' + name + ' ' + number + ' ').padEnd(1 + (number * 997) % 5000, '.');
              const [place] = await folder.append([blobOf(text)]);
              if (number % 5 > 0) print({ stored: text });
              else await folder.forget([{ digest: blobOf(text).digest, place }]).then(() => print({ forgotten: text }));
            }
          };
          await Promise.all(Array.from({ length: 8 }, (_, name) => task(name)));
        `,
      );
      let output = '';
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        output += String(chunk);
        // A different moment of the writing each time.
        if (output.length > 20_000 + (round % 10) * 70_000 && child.kill('SIGKILL')) break;
      }
      if (child.signalCode === null) await once(child, 'exit');
      for (const line of output.split('\n').slice(0, -1)) {
        const value = JSON.parse(line) as { stored?: string; forgotten?: string };
        if (value.stored) stored.push(value.stored);
        if (value.forgotten) forgotten.push(value.forgotten);
      }

      await using folder = await PackFolder.open({ path, maxSegmentBytes: 256 * 1024 });
      const index = await listed(folder);
      assert.deepEqual(
        await textsOf(
          folder,
          index,
          stored.map((text) => blobOf(text)),
        ),
        stored,
      );
      assert.deepEqual(
        await textsOf(
          folder,
          index,
          forgotten.map((text) => blobOf(text)),
        ),
        [],
      );
    }

    assert.ok(stored.length > 10 * rounds);
    assert.ok(forgotten.length > rounds);
  });
});
