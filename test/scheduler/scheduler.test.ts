import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { reapi } from '../../src/proto/index.js';
import type { Operation } from '../../src/scheduler/job-store.js';
import { Stage } from '../../src/scheduler/stage.js';
import { actionNamed, newOperation, offering, responseOf } from '../helpers/jobs.js';
import { SchedulerBench, finished, running, type SchedulerBenchOptions } from '../helpers/scheduler-bench.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

const unreachable = (): Promise<never> => Promise.reject(new StatusError(Code.Unavailable, 'connection refused'));
const brokenCache: ActionCache = { get: unreachable, update: unreachable, delete: unreachable };

const failure = reapi.ActionResult.create({ exitCode: 1 });

describe('Scheduler', () => {
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
  const cached = ({ actionCache }: SchedulerBench, action: string): Promise<reapi.ActionResult | undefined> =>
    actionCache.get(actionNamed(action));

  describe('with an action cache', () => {
    it('answers from it without a worker (EX-6)', async () => {
      const bench = await open();
      const result = reapi.ActionResult.create({ stdoutRaw: Buffer.from('known'), exitCode: 0 });
      await bench.actionCache.update(actionNamed('a'), result);

      const operation = await bench.execute('a');

      assert.equal(operation.stage, Stage.Completed);
      const response = responseOf(operation);
      assert.equal(response.cachedResult, true);
      assert.equal(String(Buffer.from(response.result?.stdoutRaw ?? [])), 'known');
      assert.deepEqual((await bench.connect('bot')).leases, []);
      assert.deepEqual(await find(bench, operation), operation);
    });

    for (const [title, overrides] of [
      ['skip_cache_lookup', { skipCacheLookup: true }],
      ['do_not_cache', { doNotCache: true }],
    ] as const) {
      it(`does not answer from it under ${title} (EX-6)`, async () => {
        const bench = await open();
        await bench.actionCache.update(actionNamed('a'), reapi.ActionResult.create({}));

        assert.equal((await bench.execute('a', overrides)).stage, Stage.Queued);
      });
    }

    it('executes when it cannot be read, and says so in the log', async () => {
      const bench = await open({ actionCache: brokenCache });

      assert.equal((await bench.execute('a')).stage, Stage.Queued);
      assert.deepEqual(
        bench.logger.lines.map(({ level }) => level),
        ['warn'],
      );
    });

    it('has the result in it before the operation is told to be done', async () => {
      const bench = await open();
      await bench.execute('a');
      let isCachedWhenTold: Promise<boolean> | undefined;
      bench.store.events.subscribe((event) => {
        if (event.type !== 'stage' || event.stage !== Stage.Completed) return;
        isCachedWhenTold = cached(bench, 'a').then((result) => result !== undefined);
      });

      await bench.work();

      assert.equal(await isCachedWhenTold, true);
    });

    it('keeps a result under skip_cache_lookup, in place of the old one (EX-6)', async () => {
      const bench = await open();
      await bench.actionCache.update(actionNamed('a'), reapi.ActionResult.create({ stdoutRaw: Buffer.from('old') }));
      await bench.execute('a', { skipCacheLookup: true });

      await bench.work({ result: reapi.ActionResult.create({ stdoutRaw: Buffer.from('new') }) });

      assert.equal(String(Buffer.from((await cached(bench, 'a'))?.stdoutRaw ?? [])), 'new');
    });

    it('keeps no result of an action with do_not_cache (AC-8)', async () => {
      const bench = await open();
      await bench.execute('a', { doNotCache: true });

      await bench.work();

      assert.equal(await cached(bench, 'a'), undefined);
    });

    it('keeps no result with a non-zero exit code (AC-8)', async () => {
      const bench = await open();
      const operation = await bench.execute('a');

      await bench.work({ result: failure });

      assert.equal(await cached(bench, 'a'), undefined);
      assert.equal(responseOf(await find(bench, operation)).result?.exitCode, 1);
    });

    it('keeps a result with a non-zero exit code where the configuration says so', async () => {
      const bench = await open({ cacheFailedActions: true });
      await bench.execute('a');

      await bench.work({ result: failure });

      assert.equal((await cached(bench, 'a'))?.exitCode, 1);
    });

    it('keeps no result whose status is not OK (EX-10)', async () => {
      const bench = await open();
      const operation = await bench.execute('a');

      await bench.work({ status: { code: Code.DeadlineExceeded, message: 'too slow' } });

      assert.equal(await cached(bench, 'a'), undefined);
      const { status, result } = responseOf(await find(bench, operation));
      assert.equal(status?.code, Code.DeadlineExceeded);
      assert.ok(result);
    });

    it('keeps no result of a lease that is not in force (D7)', async () => {
      const bench = await open();
      const operation = await bench.execute('a');
      const session = await bench.connect('bot');
      await bench.scheduler.cancel(operation);

      await bench.update(session, [finished(session.leases[0]!.id)]);

      assert.equal(await cached(bench, 'a'), undefined);
    });

    it('completes the job when it cannot be written, and says so in the log', async () => {
      const bench = await open({ actionCache: brokenCache });
      const operation = await bench.execute('a', { skipCacheLookup: true });

      await bench.work();

      assert.equal(responseOf(await find(bench, operation)).result?.exitCode, 0);
      assert.match(bench.logger.lines[0]?.message ?? '', /not written to the action cache/);
    });
  });

  describe('asked to execute', () => {
    for (const timeoutMs of [-1, 7_200_001]) {
      it(`refuses a timeout of ${timeoutMs} ms, which it never clamps`, async () => {
        const bench = await open();

        await assert.rejects(bench.execute('a', { timeoutMs }), { code: Code.InvalidArgument, message: /0 to 7200 s/ });
      });
    }

    it('accepts the longest timeout that is possible', async () => {
      const bench = await open();

      assert.equal((await bench.execute('a', { timeoutMs: 7_200_000 })).stage, Stage.Queued);
    });

    it('refuses a platform property whose name nobody knows, without details', async () => {
      const bench = await open({ propertyKeys: ['pool'] });

      await assert.rejects(bench.execute('a', { platform: [{ name: 'gpu', value: '1' }] }), (reason: unknown) => {
        assert.ok(reason instanceof StatusError);
        assert.equal(reason.code, Code.FailedPrecondition);
        assert.match(reason.message, /"gpu" is not known here: known are OSFamily, ISA, pool/);
        assert.deepEqual(reason.details, []);
        return true;
      });
    });

    it('accepts a name that is configured, and one that a connected bot offers', async () => {
      const bench = await open({ propertyKeys: ['pool'] });
      await bench.connect('bot', offering({ gpu: '1' }));

      const platform = [
        { name: 'pool', value: 'x' },
        { name: 'gpu', value: '2' },
      ];

      assert.equal((await bench.execute('a', { platform })).stage, Stage.Queued);
    });

    it('refuses two values of OSFamily', async () => {
      const bench = await open();
      const platform = ['linux', 'macos'].map((value) => ({ name: 'OSFamily', value }));

      await assert.rejects(bench.execute('a', { platform }), { code: Code.FailedPrecondition, message: /OSFamily/ });
    });

    it('refuses everything new while it is stopping', async () => {
      const bench = await open();
      await bench.scheduler[Symbol.asyncDispose]();

      await assert.rejects(bench.execute('a'), { code: Code.Unavailable });
    });
  });

  describe('naming operations', () => {
    it('does not find an operation under another instance (EX-4)', async () => {
      const bench = await open();
      const { id } = await bench.execute('a');

      await assert.rejects(bench.scheduler.find({ instanceName: 'other', id }), { code: Code.NotFound });
      await assert.rejects(bench.scheduler.cancel({ instanceName: 'other', id }), { code: Code.NotFound });
      await assert.rejects(bench.scheduler.forget({ instanceName: 'other', id }), { code: Code.NotFound });
    });

    it('does not forget what is still going on (OP-5)', async () => {
      const bench = await open();
      const operation = await bench.execute('a');

      await assert.rejects(bench.scheduler.forget(operation), { code: Code.FailedPrecondition });
    });
  });

  it('goes on after a restart with the operations, leases and bots that it had (D6)', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'jobs.db');
    const before = await open({ path });
    const { clock } = before;
    const operation = await before.execute('a', { operation: newOperation({ instanceName: 'main' }) });
    const session = await before.connect('bot');
    const { id } = session.leases[0]!;
    await before.update(session, [running(id)]);
    await before[Symbol.asyncDispose]();
    // Longer than the bot's deadline: it could not report.
    clock.advance(600_000);

    const after = await open({ path, clock });
    const stages: Stage[] = [];
    const watching = (async () => {
      for await (const { stage } of after.scheduler.watch(operation, new AbortController().signal)) stages.push(stage);
    })();
    await until(() => stages.length === 1);
    await after.update(session, [finished(id)]);
    await watching;

    assert.deepEqual(stages, [Stage.Executing, Stage.Completed]);
  });
});
