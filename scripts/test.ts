import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

// Runs the whole suite with coverage, from compiled code: under a loader that compiles on the fly the figures would count
// the loader's own helpers. Arguments go to mocha. For a single file `npx mocha test/ROOM/FILE.test.ts` is quicker.

const root = join(import.meta.dirname, '..');
const compiled = join(root, '.test-build');

/** What tests find by their own place besides code. */
const beside = ['bin', 'completions', 'dist', 'docs', 'protos', 'package.json', 'test/fixtures'];

function run(program: string, ...args: readonly string[]): void {
  const { status, signal } = spawnSync(process.execPath, [join(root, 'node_modules', program), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? (signal ? 130 : 1));
}

rmSync(compiled, { recursive: true, force: true });
run('typescript/bin/tsc', '-p', 'test/tsconfig.build.json');
cpSync(join(root, 'src/proto/gen'), join(compiled, 'src/proto/gen'), { recursive: true });
for (const name of beside) {
  mkdirSync(dirname(join(compiled, name)), { recursive: true });
  symlinkSync(join(root, name), join(compiled, name));
}
run(
  'c8/bin/c8.js',
  process.execPath,
  'node_modules/mocha/bin/mocha.js',
  '--config',
  '.mocharc.build.json',
  ...process.argv.slice(2),
);
