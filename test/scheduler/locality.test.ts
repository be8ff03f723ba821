import assert from 'node:assert/strict';
import type { Session } from '../../src/scheduler/job-store.js';
import type { ExecutionRequest } from '../../src/scheduler/scheduler.js';
import { actionNamed, newOperation } from '../helpers/jobs.js';
import { SchedulerBench, finished, running } from '../helpers/scheduler-bench.js';
import { until } from '../helpers/until.js';

describe('The scheduler, by locality', () => {
  let bench: SchedulerBench;

  beforeEach(async () => {
    bench = await SchedulerBench.open();
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  function ofTarget(targetId: string): Partial<ExecutionRequest> {
    const labels = { toolInvocationId: 'build', correlatedInvocationsId: '', actionMnemonic: '', targetId };
    return { operation: newOperation({ labels }) };
  }

  /** A bot does what it has, and waits for more. */
  async function workAndWait(session: Session, botId: string): Promise<{ readonly answer: Promise<Session> }> {
    const { id } = session.leases[0]!;
    await bench.update(session, [running(id)], { botId });
    await bench.update(session, [finished(id)], { botId });
    const before = bench.clock.sleepers;
    const answer = bench.update(session, [], { botId, deadlineMs: bench.clock.now() + 20_000 });
    await until(() => bench.clock.sleepers > before);
    return { answer };
  }

  for (const [how, first, second] of [
    ['target', ofTarget('//first'), ofTarget('//second')],
    ['input root', { inputRootDigest: actionNamed('inputs 1') }, { inputRootDigest: actionNamed('inputs 2') }],
  ] as const) {
    it(`wakes the bot that had the ${how} last, though another waits for longer`, async () => {
      await bench.execute('a', first);
      const ranFirst = await bench.connect('one');
      await bench.execute('b', second);
      const ranSecond = await bench.connect('two');
      const one = await workAndWait(ranFirst, 'one');
      const two = await workAndWait(ranSecond, 'two');

      const { actionDigest: ofSecond } = await bench.execute('c', second);
      const { actionDigest: ofFirst } = await bench.execute('d', first);

      const given = await Promise.all([one.answer, two.answer]);
      assert.deepEqual(
        given.map(({ leases }) => leases[0]?.actionDigest),
        [ofFirst, ofSecond],
      );
    });
  }
});
