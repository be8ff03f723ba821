import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

// Runs the benchmarks one after the other, each as a process of its own: all of them, or those that are named. Every figure
// stands beside a limit that is measured in the same run; nothing fails on a figure.

const suites = {
  'start-up': 'how long commands take to start',
  'cas-rpc': 'the calls of the CAS and the action cache',
  packs: 'pack segments of small blobs',
  'disk-store': 'the disk store: restart, index, eviction',
  'sql-index': 'the index of blobs in SQL',
  jobs: 'jobs over their whole path, their store, and a server that waits',
  'many-controllers': 'hand-off between controllers over one PostgreSQL',
  'upload-dir': 'a tree of small files up',
  'cas-memory': 'memory while many clients are slow',
  deployments: 'each example of a storage, as a client sees it',
};

const names = process.argv.slice(2);
const unknown = names.find((name) => !(name in suites));
if (unknown !== undefined) {
  console.error(`There is no benchmark ${unknown}; known are ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

for (const [name, title] of Object.entries(suites)) {
  if (names.length > 0 && !names.includes(name)) continue;
  console.log(`\n== ${name}: ${title}`);
  const file = join(import.meta.dirname, `${name}.ts`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', file], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
