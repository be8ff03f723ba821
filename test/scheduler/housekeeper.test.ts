import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import type { Operation } from '../../src/scheduler/job-store.js';
import { Stage } from '../../src/scheduler/stage.js';
import { offering, responseOf } from '../helpers/jobs.js';
import { SchedulerBench, running, type SchedulerBenchOptions } from '../helpers/scheduler-bench.js';
import { until } from '../helpers/until.js';

describe('Housekeeper', () => {
  let bench: SchedulerBench | undefined;

  async function open(options: SchedulerBenchOptions = {}): Promise<SchedulerBench> {
    bench = await SchedulerBench.open(options);
    return bench;
  }

  afterEach(async () => {
    await bench?.[Symbol.asyncDispose]();
    bench = undefined;
  });

  const find = ({ scheduler }: SchedulerBench, operation: Operation): Promise<Operation> => scheduler.find(operation);

  /** Lets the housekeeper sweep once. */
  async function sweep({ clock }: SchedulerBench, ms = 5_000): Promise<void> {
    const { length } = clock.slept;
    clock.advance(ms);
    await until(() => clock.slept.length > length);
  }

  describe('without a bot that fits', () => {
    const platform = [
      { name: 'OSFamily', value: 'linux' },
      { name: 'ISA', value: 'riscv' },
    ];

    it('fails a job after the time it may wait, naming what nobody offers and who comes nearest', async () => {
      const bench = await open({ maxQueueTimeMs: 60_000, keepaliveMs: 600_000 });
      await bench.connect('near', offering({ OSFamily: 'linux', ISA: 'x86-64' }));
      await bench.connect('far');
      const operation = await bench.execute('a', { platform });
      await sweep(bench);
      const before = await find(bench, operation);

      await sweep(bench, 60_000);

      const { status } = responseOf(await find(bench, operation));
      assert.equal(before.stage, Stage.Queued);
      assert.equal(status?.code, Code.FailedPrecondition);
      assert.match(status.message ?? '', /no bot offers "ISA"="riscv"; nearest: "near" lacks "ISA"="riscv"/);
      assert.deepEqual(status.details ?? [], []);
    });

    it('says that no bot is connected when none is', async () => {
      const bench = await open({ maxQueueTimeMs: 60_000 });
      const operation = await bench.execute('a');
      await sweep(bench);

      await sweep(bench, 60_000);

      assert.match(responseOf(await find(bench, operation)).status?.message ?? '', /no bot is connected$/);
    });

    it('lets a job wait for ever behind others where a bot fits', async () => {
      const bench = await open({ maxQueueTimeMs: 60_000, keepaliveMs: 600_000 });
      await bench.execute('first');
      await bench.connect('busy');
      const operation = await bench.execute('second');
      await sweep(bench);

      await sweep(bench, 60_000);

      assert.equal((await find(bench, operation)).stage, Stage.Queued);
    });

    it('lets a job wait for ever where the time is 0', async () => {
      const bench = await open({ maxQueueTimeMs: 0 });
      const operation = await bench.execute('a');
      await sweep(bench);

      await sweep(bench, 24 * 3_600_000);

      assert.equal((await find(bench, operation)).stage, Stage.Queued);
    });
  });

  describe('looking after the store', () => {
    it('queues the job of a bot again that does not report in time (U1)', async () => {
      const bench = await open();
      const operation = await bench.execute('a');
      const session = await bench.connect('bot');
      await bench.update(session, [running(session.leases[0]!.id)]);

      await sweep(bench, 60_000);

      assert.equal((await find(bench, operation)).stage, Stage.Queued);
    });

    it('forgets operations a day after they are over (D6)', async () => {
      const bench = await open();
      const operation = await bench.execute('a');
      await bench.work();
      await sweep(bench, 86_300_000);
      const before = await find(bench, operation);

      await sweep(bench, 700_000);

      assert.equal(before.stage, Stage.Completed);
      await assert.rejects(find(bench, operation), { code: Code.NotFound });
    });
  });

  it('cancels operations that nobody asks about, and only those, and tells the log (EX-8)', async () => {
    const bench = await open({ cancelUnwatchedAfterMs: 60_000, maxQueueTimeMs: 0 });
    const { store } = bench;
    const [asked, followed, left] = [await bench.execute('a'), await bench.execute('b'), await bench.execute('c')];
    const stop = new AbortController();
    const stream = bench.scheduler.watch(followed, stop.signal);
    await stream.next();
    const stages = async (): Promise<(Stage | undefined)[]> =>
      Promise.all([asked, followed, left].map(async ({ id }) => (await store.operations.find(id))?.stage));

    for (let sweeps = 0; sweeps < 24; sweeps += 1) {
      await find(bench, asked);
      await sweep(bench);
    }
    const watched = await stages();
    await stream.return();
    for (let sweeps = 0; sweeps < 24; sweeps += 1) await sweep(bench);

    assert.deepEqual(watched, [Stage.Queued, Stage.Queued, Stage.Completed]);
    assert.deepEqual(await stages(), [Stage.Completed, Stage.Completed, Stage.Completed]);
    assert.ok(bench.logger.lines.some(({ message }) => message === 'Operations cancelled that nobody watched'));
  });
});
