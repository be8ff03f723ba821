import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { Simulation } from '../../src/simulation/simulation.js';
import { hasCode } from '../helpers/has-code.js';
import { botKind, invocationKind, kindIn, simulate } from '../helpers/scenarios.js';

const second = 1_000;

describe('Simulation', () => {
  it('takes as long as the bots need', async () => {
    const report = await simulate({ bots: [botKind(4)], invocations: [invocationKind('build', 40)] });

    assert.equal(report.simulatedMs, 10 * second);
    assert.equal(report.utilisation, 1);
    assert.equal(report.fairness, 1);
    const { waitMs, makespanMs, slowdown } = kindIn(report, 'build');
    assert.deepEqual(waitMs, { p50: 4 * second, p90: 8 * second, p99: 9 * second, max: 9 * second });
    assert.equal(makespanMs.max, 10 * second);
    assert.equal(slowdown.max, 1);
  });

  it('ends a build of 10 soon beside one of 10,000 that came first, and late by arrival', async () => {
    const scenario = {
      bots: [botKind(20)],
      invocations: [invocationKind('large', 10_000), invocationKind('small', 10, { startMs: 100.5 * second })],
    };

    const [fair, fifo] = [await simulate(scenario), await simulate(scenario, { order: 'fifo' })];

    // Half a second until bots are free, and then every other one is for the small build: the last one in the second round.
    assert.equal(kindIn(fair, 'small').makespanMs.max, 2.5 * second);
    assert.equal(kindIn(fifo, 'small').makespanMs.max, 400.5 * second);
    assert.equal(kindIn(fair, 'large').makespanMs.max, 501 * second);
    assert.ok(fair.fairness > fifo.fairness);
  });

  it('shares evenly between builds of one size that come one after the other', async () => {
    const invocations = [invocationKind('build', 100, { count: 5, everyMs: 1 })];

    const { slowdown } = kindIn(await simulate({ bots: [botKind(10)], invocations }), 'build');

    assert.ok(slowdown.p50 > 4.5 && slowdown.max <= 5, JSON.stringify(slowdown));
  });

  it('serves the more urgent of two builds first, and starves neither (EX-13)', async () => {
    const invocations = [
      invocationKind('patient', 1_000, { priority: 4 }),
      invocationKind('urgent', 1_000, { priority: -4 }),
    ];

    const report = await simulate({ bots: [botKind(10)], invocations });

    // Shares of 8 to 1.
    const [urgent, patient] = [kindIn(report, 'urgent'), kindIn(report, 'patient')];
    assert.ok(
      urgent.makespanMs.max > 105 * second && urgent.makespanMs.max < 120 * second,
      String(urgent.makespanMs.max),
    );
    assert.ok(patient.waitMs.p50 < 160 * second, String(patient.waitMs.p50));
  });

  it('gives jobs only to bots that offer what they ask for (RW-11, RW-12)', async () => {
    const invocations = [
      invocationKind('gpu', 20, { platform: [{ name: 'pool', value: 'gpu' }] }),
      invocationKind('any', 10),
    ];

    const report = await simulate({ bots: [botKind(1), botKind(1, { pool: ['gpu'] })], invocations });

    assert.equal(kindIn(report, 'gpu').makespanMs.max, 20 * second);
    assert.equal(kindIn(report, 'any').makespanMs.max, 10 * second);
  });

  it('starts a platform that was idle level with those that its bots have served for long', async () => {
    const invocations = [
      invocationKind('old', 200),
      invocationKind('new', 100, { startMs: 100.5 * second, platform: [{ name: 'pool', value: 'b' }] }),
    ];

    const report = await simulate({ bots: [botKind(1, { pool: ['b'] })], invocations });

    // They take turns from then on.
    assert.ok(kindIn(report, 'new').makespanMs.max > 190 * second);
    assert.ok(kindIn(report, 'old').makespanMs.max > 290 * second);
  });

  it('starts a platform of few bots level with what those bots do, not with what all do', async () => {
    const pool = { name: 'pool', value: 'gpu' };
    const invocations = [
      invocationKind('any', 10_000),
      invocationKind('gpu', 300, { platform: [pool] }),
      invocationKind('other gpu', 5, { startMs: 100.5 * second, platform: [pool, { name: 'image', value: 'b' }] }),
    ];

    const report = await simulate({ bots: [botKind(50), botKind(1, { pool: ['gpu'], image: ['b'] })], invocations });

    // The one bot takes turns.
    assert.ok(kindIn(report, 'other gpu').makespanMs.max < 12 * second);
  });

  it('has no more jobs of an invocation in flight than its client sends', async () => {
    const invocations = [invocationKind('build', 10, { parallelism: 2 })];

    const report = await simulate({ bots: [botKind(10)], invocations });

    assert.equal(report.simulatedMs, 5 * second);
    assert.equal(kindIn(report, 'build').waitMs.max, 0);
  });

  it('wakes the bot that had the target before', async () => {
    const invocations = [invocationKind('build', 40, { parallelism: 1, jobsPerTarget: 10 })];

    const report = await simulate({ bots: [botKind(10)], invocations });

    assert.equal(report.localityHits, 36 / 40);
  });

  it('follows from its seed', async () => {
    const scenario = {
      bots: [botKind(5)],
      invocations: [
        invocationKind('a', 200, { duration: { distribution: 'exponential', meanMs: second, sigma: 1 } }),
        invocationKind('b', 200, { duration: { distribution: 'lognormal', meanMs: second, sigma: 1 } }),
      ],
    };

    const [first, again, other] = [
      await simulate(scenario),
      await simulate(scenario),
      await simulate(scenario, { seed: 2 }),
    ];

    assert.deepEqual(again, first);
    assert.notDeepEqual(other.kinds, first.kinds);
    // The mean is what was asked for, within what 400 Jobs can vary.
    const meanMs = (first.utilisation * 5 * first.simulatedMs) / 400;
    assert.ok(meanMs > 0.8 * second && meanMs < 1.2 * second, String(meanMs));
  });

  it('notes its states at even distances', async () => {
    const simulation = new Simulation(
      { bots: [botKind(2)], invocations: [invocationKind('build', 6)] },
      { order: 'fair', seed: 1 },
    );
    await simulation.run();

    assert.deepEqual(
      simulation.samples.map(({ atMs, waiting, running, done }) => [atMs, waiting, running, done]),
      [
        [0, 0, 0, 0],
        [1_000, 4, 2, 0],
        [2_000, 2, 2, 2],
        [3_000, 0, 2, 4],
      ],
    );
  });

  it('refuses jobs that no bot fits', () => {
    const invocations = [invocationKind('gpu', 1, { platform: [{ name: 'pool', value: 'gpu' }] })];

    assert.throws(
      () => new Simulation({ bots: [botKind(1)], invocations }, { order: 'fair', seed: 1 }),
      hasCode(Code.FailedPrecondition),
    );
  });

  it('stops when it is told to', async () => {
    const simulation = new Simulation(
      { bots: [botKind(1)], invocations: [invocationKind('build', 20_000)] },
      { order: 'fair', seed: 1 },
    );

    await assert.rejects(simulation.run(AbortSignal.abort(new Error('enough'))), /enough/);
  });
});
