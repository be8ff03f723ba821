import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { SharedTasks } from '../../src/common/shared-tasks.js';
import { StatusError } from '../../src/common/status-error.js';
import { hasCode } from '../helpers/has-code.js';

describe('SharedTasks', () => {
  let tasks: SharedTasks;
  let started: { readonly signal: AbortSignal; readonly end: (failure?: Error) => void }[];

  beforeEach(() => {
    tasks = new SharedTasks();
    started = [];
  });

  const task = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      started.push({ signal, end: (failure) => (failure ? reject(failure) : resolve()) });
    });

  const leaving = new StatusError(Code.Cancelled, 'The client is gone');

  it('runs one task of a key for all who want it, and tasks of different keys side by side', async () => {
    const all = [1, 2, 3].map(() => tasks.join('key', task));
    const other = tasks.join('other', task);
    assert.equal(started.length, 2);

    for (const { end } of started) end();

    await Promise.all([...all, other]);
  });

  it('fails for all, and begins anew for who comes afterwards', async () => {
    const all = [1, 2].map(() => tasks.join('key', task));
    started[0]!.end(new Error('broken'));
    for (const each of all) await assert.rejects(each, /broken/);

    const again = tasks.join('key', task);
    assert.equal(started.length, 2);
    started[1]!.end();
    await again;
  });

  it('goes on when one of several goes away', async () => {
    const gone = new AbortController();
    const leaves = tasks.join('key', task, gone.signal);
    const stays = tasks.join('key', task, new AbortController().signal);

    gone.abort(leaving);

    await assert.rejects(leaves, hasCode(Code.Cancelled));
    assert.equal(started[0]!.signal.aborted, false);
    started[0]!.end();
    await stays;
  });

  it('ends when all are gone, and who comes then begins anew', async () => {
    const gone = new AbortController();
    const leave = [1, 2].map(() => tasks.join('key', task, gone.signal));
    gone.abort(leaving);
    for (const each of leave) await assert.rejects(each, hasCode(Code.Cancelled));
    assert.equal(started[0]!.signal.aborted, true);

    const comes = tasks.join('key', task);
    started[0]!.end(leaving);
    const joins = tasks.join('key', task);
    started[1]!.end();

    await Promise.all([comes, joins]);
    assert.equal(started.length, 2);
  });

  it('begins nothing for who is gone already', async () => {
    await assert.rejects(tasks.join('key', task, AbortSignal.abort(leaving)), hasCode(Code.Cancelled));

    assert.equal(started.length, 0);
  });
});
