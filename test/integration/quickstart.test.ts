import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { SpawnedCommand } from '../../scripts/spawned-command.js';
import { repositoryRoot } from '../helpers/repository.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const interrupted = 130;

/** The quick start as users type it, with `folder` for its temporary files. */
function quickstart(folder: string): SpawnedCommand {
  const { PATH, HOME } = process.env;
  return new SpawnedCommand(['npm', 'run', '--silent', 'quickstart'], {
    cwd: repositoryRoot,
    env: { PATH, HOME, TMPDIR: folder },
  });
}

/** Command lines of running processes that name `folder`. */
async function processesOf(folder: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(folder)).map((line) => line.replaceAll('\0', ' '));
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy()).unref();
  });
}

async function assertNothingIsLeft(folder: string, stdout: string): Promise<void> {
  assert.deepEqual(await readdir(folder), []);
  assert.deepEqual(await processesOf(folder), []);
  const port = /grpc:\/\/127\.0\.0\.1:(\d+)/.exec(stdout)?.[1];
  if (port !== undefined) assert.equal(await isListening(Number(port)), false);
}

describe('The quick start', function () {
  this.timeout(120_000);

  it('compiles and runs a program remotely, shows the cache hit, and leaves nothing behind', async () => {
    await using folder = await temporaryDirectory();
    await using run = quickstart(folder.path);

    const exitCode = await run.ended;

    assert.equal(exitCode, 0, run.stdout + run.stderr);
    assert.match(run.stdout, /^ +\d+\.\d\d s {2}gcc -c main\.c: by the worker$/m);
    assert.match(run.stdout, /^ +\d+\.\d\d s {2}\.\/hello: by the worker: Hello from/m);
    assert.match(run.stdout, /^ +\d+\.\d\d s {2}\.\/hello: from the cache: Hello from/m);
    assert.equal(run.stdout.match(/from the cache/g)?.length, 4);
    assert.equal(run.stdout.includes('\u001b'), false, 'No colours where no terminal is');
    await assertNothingIsLeft(folder.path, run.stdout);
  });

  for (let lines = 0; lines < 10; lines += 1) {
    it(`leaves nothing behind when Ctrl-C comes after ${lines} lines`, async () => {
      await using folder = await temporaryDirectory();
      await using run = quickstart(folder.path);
      await run.match('stdout', new RegExp(`^(.*\\n){${lines}}`));

      run.kill('SIGINT');

      assert.equal(await run.ended, interrupted, run.stdout + run.stderr);
      await assertNothingIsLeft(folder.path, run.stdout);
    });
  }
});
