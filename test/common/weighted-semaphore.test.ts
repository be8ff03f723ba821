import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Code } from '../../src/common/code.js';
import { WeightedSemaphore } from '../../src/common/weighted-semaphore.js';

describe('WeightedSemaphore', () => {
  const turn = (): Promise<void> => new Promise(setImmediate);
  const isPending = async (promise: Promise<unknown>): Promise<boolean> => {
    let settled = false;
    promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    await turn();
    return !settled;
  };

  it('lets in what fits and holds back the rest, first come, first served', async () => {
    const semaphore = new WeightedSemaphore(10);
    const first = await semaphore.acquire(6);
    const second = semaphore.acquire(6);
    const third = semaphore.acquire(1);

    assert.ok(await isPending(second));
    assert.ok(await isPending(third), 'a small one does not overtake');
    first();

    await second;
    await third;
  });

  it('lets in alone what is larger than everything', async () => {
    const semaphore = new WeightedSemaphore(10);
    const release = await semaphore.acquire(99);
    const next = semaphore.acquire(1);

    assert.ok(await isPending(next));
    release();

    await next;
  });

  it('takes back a release only once', async () => {
    const semaphore = new WeightedSemaphore(2);
    const release = await semaphore.acquire(1);
    await semaphore.acquire(1);
    release();
    release();
    await semaphore.acquire(1);

    assert.ok(await isPending(semaphore.acquire(1)));
  });

  it('lets the next one in when the first in line gives up', async () => {
    const semaphore = new WeightedSemaphore(10);
    await semaphore.acquire(5);
    const controller = new AbortController();
    const large = semaphore.acquire(10, controller.signal);
    const small = semaphore.acquire(5);
    assert.ok(await isPending(small));

    controller.abort();

    await assert.rejects(large);
    await small;
  });

  it('never lets in more than its capacity, and everybody in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 30 }), async (weights) => {
        const semaphore = new WeightedSemaphore(10);
        let used = 0;
        await Promise.all(
          weights.map(async (weight) => {
            const release = await semaphore.acquire(weight);
            used += Math.min(weight, 10);
            assert.ok(used <= 10);
            await Promise.resolve();
            used -= Math.min(weight, 10);
            release();
          }),
        );
      }),
      { numRuns: 50 },
    );
  });
});

describe('WeightedSemaphore with a bound of what waits', () => {
  it('refuses what would be too much, and takes it again when less waits', async () => {
    const semaphore = new WeightedSemaphore(10, 10);
    const release = await semaphore.acquire(10);
    const waiting = semaphore.acquire(6);

    await assert.rejects(semaphore.acquire(5), { code: Code.ResourceExhausted });
    release();
    (await waiting)();

    (await semaphore.acquire(10))();
  });
});
