import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { type RetryPolicy, backOffMs, isTransient, retry } from '../../src/common/retry.js';
import { StatusError } from '../../src/common/status-error.js';
import { FakeClock } from '../helpers/fake-clock.js';

const policy: RetryPolicy = { maxAttempts: 4, initialDelayMs: 100, maxDelayMs: 300 };

describe('retry', () => {
  const clockThatRuns = (): FakeClock => {
    const clock = new FakeClock();
    const sleep = clock.sleep.bind(clock);
    clock.sleep = (ms, signal) => {
      const slept = sleep(ms, signal);
      clock.advance(ms);
      return slept;
    };
    return clock;
  };
  const failing = (code: Code) => {
    let calls = 0;
    const task = (): Promise<never> => {
      calls += 1;
      return Promise.reject(new StatusError(code, `failure ${calls}`));
    };
    return { task, calls: () => calls };
  };

  it('repeats what may heal, ever more slowly, until its attempts are used up (U2)', async () => {
    const clock = clockThatRuns();
    const { task, calls } = failing(Code.Unavailable);

    await assert.rejects(retry(task, { policy, clock, random: () => 1 }), /failure 4/);

    assert.equal(calls(), 4);
    assert.deepEqual(clock.slept, [100, 200, 300]);
  });

  it('does not repeat what is permanent (RT-1)', async () => {
    const { task, calls } = failing(Code.InvalidArgument);

    await assert.rejects(retry(task, { policy, clock: clockThatRuns() }), /failure 1/);

    assert.equal(calls(), 1);
  });

  it('returns the first success', async () => {
    const result = await retry(
      (attempt) => (attempt < 3 ? Promise.reject(new StatusError(Code.Unavailable, 'down')) : Promise.resolve(attempt)),
      { policy, clock: clockThatRuns() },
    );

    assert.equal(result, 3);
  });

  it('stops with the last failure when the signal aborts while it waits', async () => {
    const controller = new AbortController();
    const clock = new FakeClock();
    const { task, calls } = failing(Code.Unavailable);
    const retrying = retry(task, { policy, clock }, controller.signal);
    while (clock.sleepers === 0) await new Promise(setImmediate);

    controller.abort();

    await assert.rejects(retrying, /failure 1/);
    assert.equal(calls(), 1);
  });
});

describe('backOffMs', () => {
  it('doubles up to its ceiling, and differs between clients', () => {
    const delays = (random: number): number[] =>
      [1, 2, 3, 9].map((attempt) => backOffMs(policy, attempt, () => random));

    assert.deepEqual(delays(1), [100, 200, 300, 300]);
    assert.notDeepEqual(delays(0), delays(1));
  });
});

describe('isTransient', () => {
  it('holds for the codes that REAPI clients repeat', () => {
    for (const code of [Code.Unavailable, Code.ResourceExhausted, Code.Internal, Code.Aborted, Code.Unknown]) {
      assert.ok(isTransient(new StatusError(code, 'x')));
    }
    for (const code of [Code.InvalidArgument, Code.NotFound, Code.FailedPrecondition, Code.PermissionDenied]) {
      assert.ok(!isTransient(new StatusError(code, 'x')));
    }
  });
});
