import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { recordProcess } from '../../src/bot/process-record.js';
import { WorkFolder } from '../../src/bot/work-folder.js';
import { Code } from '../../src/common/code.js';
import { silentLogger } from '../../src/common/logger.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** Ends a command with its children, if it is still there. */
function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

describe('WorkFolder', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;
  const groups: number[] = [];

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = join(folder.path, 'work');
  });

  afterEach(async () => {
    for (const group of groups.splice(0)) endGroup(group);
    await folder[Symbol.asyncDispose]();
  });

  /** A command as the bot starts them: the leader of its group, with a child of its own. */
  async function startCommand(): Promise<{ readonly pid: number; readonly ended: Promise<unknown[]> }> {
    const child = spawn('sh', ['-c', 'sleep 600 & echo started; wait'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    groups.push(child.pid!);
    const ended = once(child, 'close'); // Waits for the grandchild too, which holds the pipe.
    await once(child.stdout, 'data');
    return { pid: child.pid!, ended };
  }

  /** Leaves behind what a bot leaves that dies in the middle of an action. */
  async function leaveAttempt(record: string): Promise<void> {
    const attempt = join(path, 'attempts', 'left');
    await mkdir(join(attempt, 'root'), { recursive: true });
    await writeFile(join(attempt, 'process'), record);
  }

  it('gives each attempt a fresh folder and removes it afterwards', async () => {
    await using work = await WorkFolder.open(path, silentLogger);
    const attempts = [await work.newAttempt(), await work.newAttempt()];
    for (const { inputRoot } of attempts) await mkdir(inputRoot);
    assert.equal((await readdir(join(path, 'attempts'))).length, 2);

    for (const attempt of attempts) await attempt[Symbol.asyncDispose]();

    assert.notEqual(attempts[0]?.inputRoot, attempts[1]?.inputRoot);
    assert.deepEqual(await readdir(join(path, 'attempts')), []);
  });

  it('is for one bot at a time', async () => {
    const first = await WorkFolder.open(path, silentLogger);
    await assert.rejects(WorkFolder.open(path, silentLogger), { code: Code.FailedPrecondition, message: /in use/ });

    await first[Symbol.asyncDispose]();

    await (await WorkFolder.open(path, silentLogger))[Symbol.asyncDispose]();
  });

  it('has an id that stays the same when it is opened again, and differs from that of others', async () => {
    const idOf = async (at: string): Promise<string> => {
      await using work = await WorkFolder.open(at, silentLogger);
      return work.id;
    };

    assert.equal(await idOf(path), await idOf(path));
    assert.notEqual(await idOf(path), await idOf(join(folder.path, 'other')));
  });

  it('ends the processes and removes the folders that a bot which died has left', async () => {
    await (await WorkFolder.open(path, silentLogger))[Symbol.asyncDispose]();
    const { pid, ended } = await startCommand();
    await leaveAttempt(JSON.stringify(recordProcess(pid)));

    await using work = await WorkFolder.open(path, silentLogger);
    await ended;

    assert.ok(work.id);
    assert.deepEqual(await readdir(join(path, 'attempts')), []);
  });

  it('finds a grandchild whose parent has ended', async () => {
    await (await WorkFolder.open(path, silentLogger))[Symbol.asyncDispose]();
    const { pid, ended } = await startCommand();
    await leaveAttempt(JSON.stringify(recordProcess(pid)));
    process.kill(pid, 'SIGKILL');

    await using work = await WorkFolder.open(path, silentLogger);
    await ended;

    assert.ok(work.id);
  });

  it('spares a process that has got the number of one that died', async () => {
    await (await WorkFolder.open(path, silentLogger))[Symbol.asyncDispose]();
    const { pid } = await startCommand();
    const record = recordProcess(pid)!;

    for (const other of [
      { ...record, startTime: record.startTime - 1 },
      { ...record, epoch: 'an earlier boot' },
    ]) {
      await leaveAttempt(JSON.stringify(other));
      await (await WorkFolder.open(path, silentLogger))[Symbol.asyncDispose]();
    }

    assert.match(await readFile(`/proc/${pid}/stat`, 'utf8'), / S /);
  });

  it('opens although a record was cut short', async () => {
    await (await WorkFolder.open(path, silentLogger))[Symbol.asyncDispose]();
    await leaveAttempt('{"pid":1');

    await using work = await WorkFolder.open(path, silentLogger);

    assert.ok(work.id);
    assert.deepEqual(await readdir(join(path, 'attempts')), []);
  });

  it('refuses a folder that is somebody else’s', async () => {
    await mkdir(path);
    await writeFile(join(path, 'thesis.tex'), 'years of work');

    await assert.rejects(WorkFolder.open(path, silentLogger), { code: Code.FailedPrecondition });
    assert.ok((await readdir(path)).includes('thesis.tex'));
  });

  it('notes the process of an attempt beside its input root', async () => {
    await using work = await WorkFolder.open(path, silentLogger);
    await using attempt = await work.newAttempt();

    attempt.recordProcess(process.pid);

    const file = join(dirname(attempt.inputRoot), 'process');
    assert.equal(basename(attempt.inputRoot), 'root');
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), recordProcess(process.pid));
  });
});
