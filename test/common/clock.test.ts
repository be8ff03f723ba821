import assert from 'node:assert/strict';
import { systemClock } from '../../src/common/clock.js';

describe('systemClock', () => {
  it('resolves a sleep early when the signal aborts, before or meanwhile, and never rejects', async () => {
    const controller = new AbortController();
    const sleeping = systemClock.sleep(60_000, controller.signal);
    controller.abort();

    await sleeping;
    await systemClock.sleep(60_000, controller.signal);
  });

  it('tells the time of the machine', () => {
    const before = Date.now();

    assert.ok(systemClock.now() >= before);
  });
});
