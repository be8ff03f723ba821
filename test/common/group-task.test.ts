import assert from 'node:assert/strict';
import { GroupTask } from '../../src/common/group-task.js';

describe('GroupTask', () => {
  const turn = (): Promise<void> => new Promise(setImmediate);

  it('shares the next run among all that come while one is under way', async () => {
    let runs = 0;
    const group = new GroupTask(async () => {
      runs += 1;
      await turn();
    });

    await Promise.all(Array.from({ length: 100 }, () => group.run()));

    assert.equal(runs, 2);
  });

  it('resolves only after a run that started after the call', async () => {
    const starts: string[] = [];
    let change = 'first';
    const group = new GroupTask(async () => {
      starts.push(change);
      await turn();
    });
    const first = group.run();
    change = 'second';

    await group.run();

    assert.deepEqual(starts, ['first', 'second']);
    await first;
  });

  it('passes a failure to those that shared the run, and goes on', async () => {
    let runs = 0;
    const group = new GroupTask(async () => {
      runs += 1;
      await turn();
      if (runs === 1) throw new Error('first run');
    });

    const [first, second] = await Promise.allSettled([group.run(), group.run()]);

    assert.equal(first.status, 'rejected');
    assert.equal(second.status, 'fulfilled');
    await group.run();
    assert.equal(runs, 3);
  });
});
