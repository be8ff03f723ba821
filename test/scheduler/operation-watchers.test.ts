import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { reapi } from '../../src/proto/index.js';
import type { Operation } from '../../src/scheduler/job-store.js';
import { Stage } from '../../src/scheduler/stage.js';
import { offering, responseOf } from '../helpers/jobs.js';
import { SchedulerBench, running, type SchedulerBenchOptions } from '../helpers/scheduler-bench.js';
import { until } from '../helpers/until.js';

describe('Watching an operation', () => {
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

  it('tells the state at once, each change of stage, and the end (EX-1)', async () => {
    const bench = await open();
    const operation = await bench.execute('a');
    const stages: Stage[] = [];
    const watching = (async () => {
      for await (const state of bench.scheduler.watch(operation, new AbortController().signal)) {
        stages.push(state.stage);
        if (state.stage === Stage.Completed) assert.equal(responseOf(state).result?.exitCode, 0);
      }
    })();
    await until(() => stages.length === 1);

    await bench.work();
    await watching;

    assert.deepEqual(stages, [Stage.Queued, Stage.Executing, Stage.Completed]);
  });

  it('does not read again what was just added or found', async () => {
    const bench = await open();
    const { signal } = new AbortController();
    const operation = await bench.execute('a');
    const found = await find(bench, operation);
    const states = [operation, found].map((each) => bench.scheduler.watch(each, signal));

    const first = await Promise.all(states.map((each) => each.next()));

    assert.ok(first[0]?.value === operation && first[1]?.value === found);
    await Promise.all(states.map((each) => each.return()));
  });

  it('reads again what has changed between its being added and being followed', async () => {
    const bench = await open();
    const operations = [await bench.execute('a'), await bench.execute('b'), await bench.execute('c')];
    await bench.work();
    const session = await bench.connect('bot');
    await bench.update(session, [running(session.leases[0]!.id)]);
    await bench.scheduler.cancel(operations[2]!);

    const first = await Promise.all(
      operations.map((each) => bench.scheduler.watch(each, new AbortController().signal).next()),
    );

    assert.deepEqual(
      first.map(({ value }) => value && value.stage),
      [Stage.Completed, Stage.Executing, Stage.Completed],
    );
  });

  it('tells that a job is queued again whose worker is lost (EX-5, EX-16)', async () => {
    const bench = await open();
    const operation = await bench.execute('a');
    const states = bench.scheduler.watch(operation, new AbortController().signal);
    const next = async (): Promise<Stage | undefined> => {
      const { value } = await states.next();
      return value ? value.stage : undefined;
    };
    const first = await next();
    const session = await bench.connect('bot');
    await bench.update(session, [running(session.leases[0]!.id)]);
    const second = await next();
    await bench.connect('bot');

    assert.deepEqual([first, second, await next()], [Stage.Queued, Stage.Executing, Stage.Queued]);
    await states.return();
  });

  it('repeats the state when it is quiet for 30 s (EX-1)', async () => {
    const bench = await open();
    const operation = await bench.execute('a');
    // It fits, but is busy.
    await bench.connect('bot');
    const states = bench.scheduler.watch(operation, new AbortController().signal);
    const { value: first } = await states.next();
    const repeated = states.next();
    await until(() => bench.clock.sleepers > 1);

    bench.clock.advance(30_000);

    assert.deepEqual((await repeated).value, first);
    await states.return();
  });

  it('tells after 2 s why no bot takes a job: which come nearest, and what they lack', async () => {
    const bench = await open({ propertyKeys: ['pool'] });
    await bench.connect('plain', offering({ pool: 'cpu' }));
    const operation = await bench.execute('a', { platform: [{ name: 'pool', value: 'gpu' }] });
    const states = bench.scheduler.watch(operation, new AbortController().signal);
    await states.next();
    const told = states.next();
    await until(() => bench.clock.slept.includes(2_000));

    bench.clock.advance(2_000);

    const { value } = await told;
    assert.equal(value?.stage, Stage.Queued);
    assert.deepEqual(value.unserved, {
      message: 'no bot offers "pool"="gpu"; nearest: "plain" lacks "pool"="gpu"',
      offeredByNone: [{ name: 'pool', value: 'gpu' }],
      nearest: [{ botId: 'plain', lacking: [{ name: 'pool', value: 'gpu' }] }],
    });
    await states.return();
  });

  it('asks for the bots once for all who wait at the same time', async () => {
    const bench = await open();
    const clients = Array.from({ length: 20 }, () => new AbortController());
    const told: Promise<unknown>[] = [];
    for (const [index, { signal }] of clients.entries()) {
      const states = bench.scheduler.watch(await bench.execute(`action ${index}`), signal);
      await states.next();
      told.push(states.next());
    }
    await until(() => bench.clock.slept.filter((ms) => ms === 2_000).length === 20);
    const { upkeep } = bench.store;
    const bots = upkeep.bots.bind(upkeep);
    let asked = 0;
    upkeep.bots = () => {
      asked += 1;
      return bots();
    };

    bench.clock.advance(2_000);
    await Promise.all(told);

    assert.equal(asked, 1);
    for (const client of clients) client.abort();
  });

  it('ends with the reason of an abort, and leaves the job alone (EX-8)', async () => {
    const bench = await open();
    const operation = await bench.execute('a');
    const client = new AbortController();
    const states = bench.scheduler.watch(operation, client.signal);
    await states.next();
    const next = states.next();

    client.abort(new StatusError(Code.Cancelled, 'gone'));

    await assert.rejects(next, { code: Code.Cancelled, message: 'gone' });
    assert.equal((await find(bench, operation)).stage, Stage.Queued);
  });

  it('ends all the streams of a job, each with what became of its operation (OP-4)', async () => {
    const bench = await open();
    const cancelled = await bench.execute('a');
    const kept = await bench.execute('a');
    const last = async (operation: Operation): Promise<number | null | undefined> => {
      let response: reapi.ExecuteResponse | undefined;
      for await (const state of bench.scheduler.watch(operation, new AbortController().signal)) {
        if (state.stage === Stage.Completed) response = responseOf(state);
      }
      return response?.status?.code ?? Code.Ok;
    };
    const codes = Promise.all([last(cancelled), last(kept)]);

    await bench.scheduler.cancel(cancelled);
    await bench.work();

    assert.deepEqual(await codes, [Code.Cancelled, Code.Ok]);
  });
});
