import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Invocation } from '../../src/simulation/invocation.js';
import { SimulatedJob } from '../../src/simulation/simulated-job.js';
import { SimulatedQueue } from '../../src/simulation/simulated-queue.js';
import { RankedQueue, type RankedJob } from '../helpers/ranked-queue.js';
import { invocationKind } from '../helpers/scenarios.js';

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ invocation: fc.constantFrom('a', 'b', 'c'), priority: fc.integer({ min: -3, max: 3 }) }),
    },
    { weight: 3, arbitrary: fc.constant('claim' as const) },
    { weight: 2, arbitrary: fc.nat({ max: 9 }) },
  ),
  { maxLength: 120 },
);

describe('SimulatedQueue', () => {
  it('gives out the same jobs in the same places as the rules in their plainest form', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const plain = new RankedQueue();
        const queue = new SimulatedQueue('[]', 'fair');
        const invocations = new Map(
          ['a', 'b', 'c'].map((id) => [
            id,
            new Invocation(invocationKind(id, 1_000), { id, platformKey: '[]', startedAtMs: 0 }),
          ]),
        );
        const running: { readonly wanted: RankedJob; readonly job: SimulatedJob }[] = [];
        for (const step of script) {
          if (step === 'claim') {
            const wanted = plain.claim();
            const { head } = queue;
            const job = head && queue.claim(head, 0);
            const told = job && { seq: job.seq, rank: job.rank, finish: job.finish };
            assert.deepEqual(told, wanted && { seq: wanted.seq, rank: wanted.rank, finish: wanted.finish });
            if (job && wanted) running.push({ wanted, job });
          } else if (typeof step === 'number') {
            const [ended] = running.splice(step % Math.max(1, running.length), 1);
            if (!ended) continue;
            plain.complete(ended.wanted);
            queue.complete(ended.job);
          } else {
            const { seq } = plain.add(step.invocation, step.priority);
            const invocation = invocations.get(step.invocation);
            assert.ok(invocation);
            queue.add(new SimulatedJob(invocation, { ...step, seq, queuedAtMs: 0, durationMs: 0 }), 0);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
