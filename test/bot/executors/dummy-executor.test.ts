import assert from 'node:assert/strict';
import { DummyExecutor } from '../../../src/bot/executors/dummy-executor.js';
import { Code } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import { Digest } from '../../../src/digest/digest.js';
import { millisecondsOf } from '../../../src/proto/timestamp.js';
import { FakeClock } from '../../helpers/fake-clock.js';

describe('DummyExecutor', () => {
  const request = { digest: Digest.of(Buffer.from('not there')), action: undefined };

  it('takes the time and ends with the code that it is told', async () => {
    const clock = new FakeClock();
    const executor = new DummyExecutor({ clock, worker: 'dummy', exitCode: 3, durationMs: 500 });
    const executing = executor.execute(request, new AbortController().signal);

    clock.advance(500);

    const { result, fault } = await executing;
    const { worker, executionStartTimestamp, executionCompletedTimestamp } = result.executionMetadata ?? {};
    assert.deepEqual([result.exitCode, fault, worker], [3, undefined, 'dummy']);
    const tookMs =
      Number(millisecondsOf(executionCompletedTimestamp)) - Number(millisecondsOf(executionStartTimestamp));
    assert.equal(tookMs, 500);
  });

  it('has nothing to show when it is stopped meanwhile', async () => {
    const stop = new AbortController();
    const executor = new DummyExecutor({ clock: new FakeClock(), worker: 'dummy', exitCode: 0, durationMs: 500 });
    const executing = executor.execute(request, stop.signal);

    stop.abort(new StatusError(Code.Unavailable, 'stopped'));

    await assert.rejects(executing, { code: Code.Unavailable });
  });
});
