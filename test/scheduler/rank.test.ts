import assert from 'node:assert/strict';
import fc from 'fast-check';
import { keepsPlaceAfterMs, rankJob } from '../../src/scheduler/rank.js';
import { RankedQueue, type RankedJob } from '../helpers/ranked-queue.js';

const int32 = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.integer({ min: -20, max: 20 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 0),
);

function invocations(served: readonly RankedJob[]): string {
  return served.map(({ invocation }) => invocation).join('');
}

function queueOf(jobs: Readonly<Record<string, number>>): RankedQueue {
  const queue = new RankedQueue();
  for (const [invocation, count] of Object.entries(jobs)) for (let n = 0; n < count; n++) queue.add(invocation);
  return queue;
}

describe('rankJob', () => {
  it('starts an invocation at the virtual time and goes on from its last job', () => {
    assert.deepEqual(rankJob({ virtualTime: 7, lastFinish: undefined, priority: 0 }), { rank: 8, finish: 8 });
    assert.deepEqual(rankJob({ virtualTime: 7, lastFinish: 20, priority: 0 }), { rank: 21, finish: 21 });
    assert.deepEqual(rankJob({ virtualTime: 7, lastFinish: 3, priority: 0 }), { rank: 8, finish: 8 });
  });

  it('stays within bounds of the start for every int32 priority', () => {
    fc.assert(
      fc.property(int32, fc.double({ min: 0, max: 1e12, noNaN: true }), (priority, virtualTime) => {
        const { rank, finish } = rankJob({ virtualTime, lastFinish: undefined, priority });

        assert.ok(finish - virtualTime > 0.124 && finish - virtualTime < 8.001);
        assert.ok(Math.abs(rank - finish) < 16.001);
      }),
    );
  });

  it('ranks the more urgent of two that start at the same time no later (EX-13)', () => {
    fc.assert(
      fc.property(int32, int32, (one, other) => {
        const [urgent, patient] = [Math.min(one, other), Math.max(one, other)];
        const of = (priority: number) => rankJob({ virtualTime: 0, lastFinish: undefined, priority });

        assert.ok(of(urgent).rank <= of(patient).rank);
        assert.ok(of(urgent).finish <= of(patient).finish);
      }),
    );
  });
});

describe('The order of claims', () => {
  it('is that of arrival among equals (EX-13)', () => {
    const queue = queueOf({ a: 20 });

    assert.deepEqual(
      queue.serve().map(({ seq }) => seq),
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
  });

  it('is that of arrival among invocations of one job each', () => {
    const queue = queueOf({ a: 1, b: 1, c: 1, d: 1 });

    assert.equal(invocations(queue.serve()), 'abcd');
  });

  it('is by priority, then arrival, within an invocation, whenever the jobs come (EX-13)', () => {
    const step = fc.oneof(fc.constant('claim' as const), int32);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, hasNeighbour) => {
        const queue = new RankedQueue();
        const waiting: RankedJob[] = [];
        if (hasNeighbour) for (let n = 0; n < 20; n++) queue.add('b');
        for (const next of steps) {
          if (next !== 'claim') waiting.push(queue.add('a', next));
          const [claimed] = next === 'claim' ? queue.serve(1) : [];
          if (claimed?.invocation !== 'a') continue;
          const due = waiting.reduce((best, job) => (job.priority < best.priority ? job : best));
          assert.equal(claimed.seq, due.seq);
          waiting.splice(waiting.indexOf(due), 1);
        }
      }),
    );
  });

  it('takes turns between two invocations, whatever their sizes and who came first', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), (first, second) => {
        const served = invocations(queueOf({ a: first, b: second }).serve());

        const both = served.slice(0, 2 * Math.min(first, second));
        for (let count = 1; count <= both.length; count++) {
          const ofA = both.slice(0, count).split('a').length - 1;
          assert.ok(Math.abs(2 * ofA - count) <= 2, served);
        }
      }),
    );
  });

  it('shares by weight between invocations of different priorities', () => {
    const queue = new RankedQueue();
    for (let n = 0; n < 800; n++) queue.add('p', 0);
    for (let n = 0; n < 800; n++) queue.add('u', -4);

    const served = queue.serve(600);

    // The weight of -4 is the square root of 8, and its head start is 8 jobs.
    const urgent = served.filter(({ invocation }) => invocation === 'u').length;
    assert.ok(Math.abs(urgent - (600 * Math.sqrt(8)) / (1 + Math.sqrt(8))) < 30, String(urgent));
  });

  it('ends a build of 10 within 21 claims beside one of 2,000 that came first and keeps 50 bots busy', () => {
    const bots = 50;
    const queue = queueOf({ a: 2_000 });
    const busy: RankedJob[] = [];
    const next = (): string => {
      const job = queue.claim();
      if (!job) return '';
      busy.push(job);
      return job.invocation;
    };
    for (let n = 0; n < 1_000; n++) {
      next();
      const done = busy.length > bots ? busy.shift() : undefined;
      if (done) queue.complete(done);
    }

    for (let n = 0; n < 10; n++) queue.add('b');
    let order = '';
    for (let n = 0; n < 21; n++) order += next();

    assert.equal(order.split('b').length - 1, 10, order);
  });

  it('puts an urgent invocation before many of one job each', () => {
    const queue = new RankedQueue();
    for (let n = 0; n < 100; n++) queue.add(`single ${n}`);
    const [running] = [queue.claim()];

    queue.add('urgent', -1);

    assert.ok(running);
    assert.equal(queue.claim()?.invocation, 'urgent');
  });

  it('lets no job be overtaken without end by ever new and more urgent invocations', () => {
    fc.assert(
      fc.property(fc.array(int32, { minLength: 1, maxLength: 5 }), int32, (priorities, priority) => {
        const queue = new RankedQueue();
        const patient = queue.add('patient', priority);
        let running: RankedJob | undefined;
        // A new one comes for each that is claimed.
        for (let overtaken = 0; overtaken < 400; overtaken++) {
          queue.add(`new ${overtaken}`, priorities[overtaken % priorities.length]);
          const job = queue.claim();
          assert.ok(job);
          if (job.seq === patient.seq) return;
          if (running) queue.complete(running);
          running = job;
        }
        assert.fail('overtaken 400 times');
      }),
      { numRuns: 40 },
    );
  });

  it('lets an invocation without end of urgent jobs hold up its other jobs for an hour only', () => {
    const queue = new RankedQueue();
    const patient = queue.add('a', 1, 0);
    const claims: number[] = [];
    let running: RankedJob | undefined;
    for (let turn = 0; turn < 100; turn++) {
      const nowMs = turn < 50 ? 1_000 : keepsPlaceAfterMs;
      queue.add('a', -1, nowMs);
      const job = queue.claim(nowMs);
      assert.ok(job);
      if (running) queue.complete(running);
      running = job;
      claims.push(job.seq);
    }

    assert.ok(claims.indexOf(patient.seq) >= 50);
  });
});
