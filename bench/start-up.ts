import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// How long commands take to start, beside the limit: Node with an empty file. Rounds are interleaved, so that a busy
// moment of the machine meets all of them, and medians compared. Nothing listens on port 1: the command that talks to a
// server ends with a refused connection, after everything that it needs was loaded.

const bgd = fileURLToPath(new URL('../bin/run.js', import.meta.url));
const rounds = Number(process.argv[2] ?? 15);

const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-'));
const empty = join(folder, 'empty.js');
writeFileSync(empty, '');

const cases = [
  { name: 'node empty.js', goal: 1, argv: [empty] },
  { name: 'bgd --version', goal: 1.5, argv: [bgd, '--version'] },
  { name: 'bgd cas --help', goal: 3.2, argv: [bgd, 'cas', '--help'] },
  { name: 'bgd capabilities', goal: 3.2, argv: [bgd, 'capabilities', '--remote', 'grpc://127.0.0.1:1'] },
].map((entry) => ({ ...entry, times: [] as number[] }));

for (let round = 0; round < rounds; round += 1) {
  for (const { argv, times } of cases) {
    const start = process.hrtime.bigint();
    spawnSync(process.execPath, argv, { stdio: 'pipe' });
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
}
rmSync(folder, { recursive: true });

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
const limit = median(cases[0]?.times ?? []);
for (const { name, goal, times } of cases) {
  const ratio = median(times) / limit;
  console.log(`${name.padEnd(18)} ${median(times).toFixed(0).padStart(5)} ms  ${ratio.toFixed(2)} x  (goal ${goal} x)`);
}
