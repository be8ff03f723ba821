import assert from 'node:assert/strict';
import { RecentStages } from '../../src/scheduler/recent-stages.js';

describe('RecentStages', () => {
  it('tells whether an event has come since a moment, of this job and no other', () => {
    const recent = new RecentStages();
    recent.note('a');
    const since = recent.now();
    recent.note('b');

    assert.deepEqual(
      [recent.isQuiet('a', since), recent.isQuiet('b', since), recent.isQuiet('c', since)],
      [true, false, true],
    );
    assert.equal(recent.isQuiet('b', recent.now()), true);
  });

  it('never takes for quiet what was not, however many events came since, and forgets them', () => {
    const recent = new RecentStages();
    const since = recent.now();
    recent.note('a');
    for (let count = 0; count < 10_000; count += 1) {
      recent.note(`job ${count}`);
      assert.equal(recent.isQuiet('a', since), false);
    }

    assert.equal(recent.isQuiet('unknown', since), false, 'Too long ago');
    assert.equal(recent.isQuiet('unknown', recent.now() - 1_000), true);
    assert.equal(recent.isQuiet('job 9500', recent.now() - 1_000), false);
  });

  it('is sure of nothing before a gap', () => {
    const recent = new RecentStages();
    const since = recent.now();
    recent.forget();

    assert.deepEqual([recent.isQuiet('a', since), recent.isQuiet('a', recent.now())], [false, true]);
  });
});
