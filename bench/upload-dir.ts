import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, report } from './harness/report.js';
import { builtEntry, startBgd } from './harness/server.js';

// How long `bgd cas upload-dir` takes for a tree of small files, from its start to its end, beside `cp -r` of the same tree and
// a sync of the file system: both have brought it to the disk. Rounds are interleaved, each with an empty store, and
// nobody else's dirty pages are left when one begins. A second upload, which sends nothing, is told as well.

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    files: { type: 'string', default: '11000' },
    entry: { type: 'string', default: builtEntry },
  },
});
const rounds = Number(values.rounds);
const files = Number(values.files);
const filesAFolder = 50;

const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-'));
const tree = join(folder, 'tree');

/** Sizes as in a checkout: half of the files below 2 KiB, one in a hundred above 30 KiB. */
function sizeOf(index: number): number {
  const share = ((index * 7_919) % files) / files;
  return Math.floor(100 * 400 ** share);
}

function makeTree(): number {
  let bytes = 0;
  for (let index = 0; index < files; index += 1) {
    const number = Math.floor(index / filesAFolder);
    const parent = join(tree, `part-${number % 20}`, `folder-${number}`);
    if (index % filesAFolder === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${index}.txt`), randomBytes(sizeOf(index)));
    bytes += sizeOf(index);
  }
  return bytes;
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}

/** Milliseconds that `task` takes when the file system has nothing else to write. */
async function timed(task: () => void | Promise<void>): Promise<number> {
  run('sync', '-f', folder);
  const start = performance.now();
  await task();
  return performance.now() - start;
}

const bytes = makeTree();
const times = { copy: [] as number[], upload: [] as number[], again: [] as number[], server: [] as number[] };
try {
  for (let round = 0; round < rounds; round += 1) {
    const copy = join(folder, 'copy');
    times.copy.push(
      await timed(() => {
        run('cp', '-r', tree, copy);
        run('sync', '-f', copy);
      }),
    );
    rmSync(copy, { recursive: true });

    const data = join(folder, 'data');
    const storage = `!disk-storage { path: ${data}, size: 1T }`;
    const { process: server, port } = await startBgd({ entry: values.entry, folder, storage });
    const dev = values.entry.endsWith('dev.js') ? ['--import', 'tsx'] : [];
    const upload = [...dev, values.entry, 'cas', 'upload-dir', '--remote', `grpc://127.0.0.1:${port}`, tree];
    const before = server.cpuMs();
    times.upload.push(await timed(() => run(process.execPath, ...upload)));
    times.server.push(server.cpuMs() - before);
    times.again.push(await timed(() => run(process.execPath, ...upload)));
    await server[Symbol.asyncDispose]();
    rmSync(data, { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(
  `${files} files, ${(bytes / 1024 / 1024).toFixed(0)} MiB; the server took ${median(times.server).toFixed(0)} ms of CPU`,
);
const limit = median(times.copy);
for (const [name, took] of [
  ['upload-dir', times.upload],
  ['upload-dir again, nothing is missing', times.again],
] as const) {
  report({
    name,
    figure: `${median(took).toFixed(0)} ms`,
    limit: `cp -r, sync ${limit.toFixed(0)} ms`,
    ratio: median(took) / limit,
    goal: 1.5,
    isLimit: true,
  });
}
