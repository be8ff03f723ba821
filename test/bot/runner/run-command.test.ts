import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand, type CommandOutcome, type RunCommandOptions } from '../../../src/bot/runner/run-command.js';
import { Code } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

const PATH = '/usr/local/bin:/usr/bin:/bin';

describe('runCommand', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let cancel: AbortController;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    cancel = new AbortController();
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  function run(
    argv: readonly [string, ...string[]],
    options: Partial<RunCommandOptions> = {},
  ): Promise<CommandOutcome> {
    return runCommand(
      {
        argv,
        cwd: folder.path,
        env: { PATH },
        timeoutMs: 60_000,
        stdoutFile: join(folder.path, 'stdout'),
        stderrFile: join(folder.path, 'stderr'),
        maxOutputBytes: 1_000_000,
        ...options,
      },
      cancel.signal,
    );
  }

  const shell = (script: string, options: Partial<RunCommandOptions> = {}): Promise<CommandOutcome> =>
    run(['sh', '-c', script], options);
  const output = (name: 'stdout' | 'stderr'): Promise<string> => readFile(join(folder.path, name), 'utf8');

  it("reports the command's own exit code and what it printed, each to its file", async () => {
    const outcome = await shell('echo out; echo err >&2; exit 7');

    assert.deepEqual(outcome, { exitCode: 7 });
    assert.equal(await output('stdout'), 'out\n');
    assert.equal(await output('stderr'), 'err\n');
  });

  it('shows the command exactly the environment it is given (CMD-2)', async () => {
    await run(['/usr/bin/env'], { env: { B: 'two words', A: '' } });

    assert.deepEqual((await output('stdout')).trimEnd().split('\n').sort(), ['A=', 'B=two words']);
  });

  it('passes arguments verbatim, empty and blank ones too (CMD-1)', async () => {
    await run(['printf', '[%s]', '', ' a ', '$HOME', '"', '*']);

    assert.equal(await output('stdout'), '[][ a ][$HOME]["][*]');
  });

  it('shows the command the name it was called by', async () => {
    await run(['sh', '-c', 'tr "\\0" "\\n" < /proc/$$/cmdline | head -n 1']);

    assert.equal(await output('stdout'), 'sh\n');
  });

  it('gives the command an empty stdin (CMD-2)', async () => {
    await run(['cat']);

    assert.equal(await output('stdout'), '');
  });

  it('resolves a program with a slash against the working directory (CMD-1)', async () => {
    const cwd = join(folder.path, 'sub');
    await mkdir(cwd);
    await writeFile(join(cwd, 'tool'), '#!/bin/sh\necho "tool in $(basename "$PWD")"\n', { mode: 0o755 });

    await run(['./tool'], { cwd });

    assert.equal(await output('stdout'), 'tool in sub\n');
  });

  it("searches a bare name in the Command's PATH, and in the default one without it (CMD-1)", async () => {
    const bin = join(folder.path, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'uname'), '#!/bin/sh\necho mine\n', { mode: 0o755 });

    await run(['uname'], { env: { PATH: `${bin}:${PATH}` } });
    await run(['uname'], { env: {}, stdoutFile: join(folder.path, 'other'), stderrFile: join(folder.path, 'other2') });

    assert.equal(await output('stdout'), 'mine\n');
    assert.equal(await readFile(join(folder.path, 'other'), 'utf8'), 'Linux\n');
  });

  it('tells a program that is not found from one that is not executable', async () => {
    await writeFile(join(folder.path, 'data'), 'x');
    await writeFile(join(folder.path, 'script'), '#!/no/such/interpreter\n');
    await chmod(join(folder.path, 'script'), 0o755);
    const fails = (argv: [string, ...string[]], pattern: RegExp): Promise<void> =>
      assert.rejects(run(argv), (reason) => {
        assert.ok(reason instanceof StatusError);
        assert.equal(reason.code, Code.InvalidArgument);
        assert.match(reason.message, pattern);
        return true;
      });

    await fails(['no-such-program'], /^Command not found:/);
    await fails(['./no-such-program'], /^Command not found:/);
    await fails([''], /^Command not found:/);
    await fails(['./script'], /^Command not found: the interpreter/);
    await fails(['./data'], /^Command not executable:/);
    await fails(['/tmp'], /^Command not executable:/);
  });

  it('reports 128 + N for a command that signal N ended (CMD-15)', async () => {
    assert.deepEqual(await shell('kill -KILL $$'), { exitCode: 137 });
  });

  it('ends the whole group at the timeout, a grandchild that holds the output too', async () => {
    const outcome = await shell('echo before; sleep 600 & echo $! > grandchild; wait', { timeoutMs: 300 });

    assert.deepEqual(outcome, { exitCode: 143, stoppedBy: 'timeout' });
    assert.equal(await output('stdout'), 'before\n');
    await assertGone(join(folder.path, 'grandchild'));
  });

  it('kills a command that ignores SIGTERM', async () => {
    const outcome = await shell('trap "" TERM; while :; do sleep 0.1; done', { timeoutMs: 100 });

    assert.deepEqual(outcome, { exitCode: 137, stoppedBy: 'timeout' });
  });

  it('ends the group on cancel and says that it was us', async () => {
    const outcome = await shell('sleep 600 & echo $! > grandchild; wait', {
      onStart: () => void untilExists(join(folder.path, 'grandchild')).then(() => cancel.abort()),
    });

    assert.deepEqual(outcome, { exitCode: 143, stoppedBy: 'cancel' });
    await assertGone(join(folder.path, 'grandchild'));
  });

  it('does not start a command that is cancelled already', async () => {
    cancel.abort(new Error('too late'));

    await assert.rejects(shell('touch started'), /too late/);
    assert.equal(existsSync(join(folder.path, 'started')), false);
  });

  it('ends what a command leaves behind in its group, without waiting for its output', async () => {
    const before = Date.now();

    const outcome = await shell('sleep 600 & echo $! > grandchild; exit 4');

    assert.deepEqual(outcome, { exitCode: 4 });
    assert.ok(Date.now() - before < 10_000);
    await assertGone(join(folder.path, 'grandchild'));
  });

  it('does not hang on a process that has left the group and holds the output', async () => {
    const outcome = await shell(
      'echo done; setsid sh -c "echo \\$\\$ > escaped; exec sleep 600" & until [ -s escaped ]; do sleep 0.05; done',
    );

    process.kill(Number(await readFile(join(folder.path, 'escaped'), 'utf8')), 'SIGKILL');
    assert.deepEqual(outcome, { exitCode: 0 });
    assert.equal(await output('stdout'), 'done\n');
  });

  it('keeps no more of an output than the cap, lets the command go on, and says so', async () => {
    const outcome = await shell('head -c 3000000 /dev/zero; echo err >&2; exit 5', { maxOutputBytes: 1000 });

    assert.deepEqual(outcome, { exitCode: 5 });
    const text = await output('stdout');
    assert.equal(text.slice(1000), '\n[bgd: the output was cut here, after 1000 bytes]\n');
    assert.equal(await output('stderr'), 'err\n');
  });

  it('stops the command when there is no room for its output', async () => {
    await assert.rejects(shell('echo $$ > leader; exec yes', { stdoutFile: '/dev/full' }), /ENOSPC/);

    await assertGone(join(folder.path, 'leader'));
  });

  it('does not start a command whose output has no place', async () => {
    await assert.rejects(shell('touch started', { stdoutFile: join(folder.path, 'no/such/folder') }), /ENOENT/);

    assert.equal(existsSync(join(folder.path, 'started')), false);
  });

  it('loses nothing of what a command prints that has ended before anybody reads', async () => {
    const untilZombie = (pid: number): void => {
      while (!readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) continue;
    };

    await shell('echo short; echo life >&2', { onStart: untilZombie });

    assert.deepEqual([await output('stdout'), await output('stderr')], ['short\n', 'life\n']);
  });

  it('tells the process id before the command ends', async () => {
    let pid: number | undefined;
    await shell('echo $$', { onStart: (id) => (pid = id) });

    assert.equal(await output('stdout'), `${pid ?? 0}\n`);
  });
});

async function untilExists(path: string): Promise<void> {
  while (!(await stat(path).catch(() => undefined))?.size) await delay(20);
}

/** A process that was killed may take a moment to be gone: its new parent has to reap it. */
async function assertGone(pidFile: string): Promise<void> {
  const pid = (await readFile(pidFile, 'utf8').catch(() => '')).trim();
  if (pid === '') return;
  for (let round = 0; round < 100; round += 1) {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    if (state === '' || state.includes(' Z ')) return;
    await delay(20);
  }
  assert.fail(`Process ${pid} is still there`);
}
