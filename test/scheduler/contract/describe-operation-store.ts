import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import type { JobEvent } from '../../../src/scheduler/job-events.js';
import type { JobStore } from '../../../src/scheduler/job-store.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import {
  active,
  actionNamed,
  done,
  keepaliveMs,
  newJob,
  newOperation,
  newSession,
  newUpdate,
  responseOf,
  stdoutOf,
} from '../../helpers/jobs.js';

/** Makes an empty store; its deadlines go by `clock`. */
export type CreateJobStore = (clock: FakeClock) => Promise<AsyncDisposable & { readonly store: JobStore }>;

const noLimit = 1_000;

/** What clients may rely on in every {@link JobStore}. */
export function describeOperationStore(name: string, create: CreateJobStore): void {
  describe(`${name} as an OperationStore`, () => {
    let clock: FakeClock;
    let opened: Awaited<ReturnType<CreateJobStore>>;
    let store: JobStore;

    beforeEach(async () => {
      clock = new FakeClock();
      opened = await create(clock);
      ({ store } = opened);
    });

    afterEach(() => opened[Symbol.asyncDispose]());

    const add = (job: string, overrides = {}) => store.operations.add(newJob(job, overrides), newOperation(), noLimit);

    /** Has a bot take the most urgent Job. */
    async function start(botId = 'bot'): Promise<{ sessionName: string; leaseId: string }> {
      const session = await store.sessions.open(newSession(botId));
      const claimed = await store.sessions.claim(session.name, session.revision, keepaliveMs);
      const leaseId = claimed!.leases[0]!.id;
      await store.sessions.update(newUpdate(session.name, botId, { reports: [active(leaseId)] }));
      return { sessionName: session.name, leaseId };
    }

    async function finish(botId = 'bot'): Promise<void> {
      const { sessionName, leaseId } = await start(botId);
      await store.sessions.update(newUpdate(sessionName, botId, { reports: [done(leaseId)] }));
    }

    it('adds an operation that is queued and can be found again', async () => {
      const added = await store.operations.add(newJob('a'), newOperation({ hints: '{"x":1}' }), noLimit);

      assert.equal(added.stage, Stage.Queued);
      assert.equal(added.queuedAtMs, clock.now());
      assert.ok(added.actionDigest.equals(actionNamed('a')));
      assert.equal(added.hints, '{"x":1}');
      assert.equal(added.response, undefined);
      assert.deepEqual(await store.operations.find(added.id), added);
    });

    it('finds nothing under an unknown id', async () => {
      assert.equal(await store.operations.find('unknown'), undefined);
    });

    it('shares a job in flight between operations of the same action (EX-7)', async () => {
      const [first, second] = await Promise.all([add('a'), add('a')]);

      assert.notEqual(first.id, second.id);
      assert.equal(first.jobId, second.jobId);
    });

    it('shares a job that is executing', async () => {
      const first = await add('a');
      await start();

      const second = await add('a');

      assert.equal(second.jobId, first.jobId);
      assert.equal(second.stage, Stage.Executing);
    });

    it('starts a new job when the last one is over', async () => {
      const first = await add('a');
      await finish();

      const second = await add('a');

      assert.notEqual(second.jobId, first.jobId);
      assert.equal(second.stage, Stage.Queued);
    });

    it('starts a job of its own where sharing is not wanted (EX-6)', async () => {
      const shared = await add('a');

      const own = await add('a', { isShared: false });
      const joined = await add('a');

      assert.notEqual(own.jobId, shared.jobId);
      assert.equal(joined.jobId, shared.jobId);
    });

    it('gives a shared job the most urgent of the priorities (EX-7)', async () => {
      const urgent = await add('a', { priority: 5 });
      await add('b', { priority: 0 });
      await add('a', { priority: -1 });
      await add('a', { priority: 9 });

      await start();

      assert.equal((await store.operations.find(urgent.id))?.stage, Stage.Executing);
    });

    it('adds a job that is over as it is made, and never hands it out', async () => {
      const response = Buffer.from('cached');

      const added = await add('a', { response });

      assert.equal(added.stage, Stage.Completed);
      assert.deepEqual(added.response, response);
      assert.deepEqual(await store.upkeep.queuedPlatforms(), []);
      assert.notEqual((await add('a')).jobId, added.jobId);
    });

    it('refuses a job too many with the delay after which to come again', async () => {
      await store.operations.add(newJob('a'), newOperation(), 1);

      await assert.rejects(store.operations.add(newJob('b'), newOperation(), 1), (reason: unknown) => {
        assert.ok(reason instanceof StatusError);
        assert.equal(reason.code, Code.ResourceExhausted);
        assert.match(reason.details[0]?.typeUrl ?? '', /google\.rpc\.RetryInfo$/);
        return true;
      });
      assert.equal((await store.operations.add(newJob('a'), newOperation(), 1)).stage, Stage.Queued);
    });

    it('lists the operations of an instance in the order of their arrival, a page at a time', async () => {
      const first = await add('a');
      await store.operations.add(newJob('b'), newOperation({ instanceName: 'other' }), noLimit);
      const second = await add('c');
      const third = await add('d');
      const query = { instanceName: 'main', conditions: [], limit: 2 };

      const page = await store.operations.list({ ...query, afterSeq: 0 });
      const rest = await store.operations.list({ ...query, afterSeq: page.at(-1)!.seq });

      const { labels } = newOperation();
      assert.deepEqual(
        page,
        [first, second].map((each) => ({ ...each, labels })),
      );
      assert.deepEqual(rest, [{ ...third, labels }]);
    });

    it('lists only operations that meet every condition', async () => {
      const labels = { toolInvocationId: 'build 1', correlatedInvocationsId: '', actionMnemonic: '', targetId: '' };
      await add('a');
      clock.advance(1_000);
      const wanted = await store.operations.add(newJob('b'), newOperation({ labels }), noLimit);
      const list = async (...conditions: Parameters<JobStore['operations']['list']>[0]['conditions'][number][]) =>
        (await store.operations.list({ instanceName: 'main', conditions, afterSeq: 0, limit: 9 })).map(({ id }) => id);

      assert.deepEqual(
        await list(
          { field: 'stage', operator: '=', value: Stage.Queued },
          { field: 'queued_time', operator: '>', value: clock.now() - 1_000 },
          { field: 'tool_invocation_id', operator: '=', value: 'build 1' },
          { field: 'action_digest', operator: '=', value: String(actionNamed('b')) },
        ),
        [wanted.id],
      );
      assert.deepEqual(await list({ field: 'stage', operator: '!=', value: Stage.Queued }), []);
    });

    it('ends a cancelled operation, and takes its job out of the queue (OP-4)', async () => {
      const { id } = await add('a');

      await store.operations.cancel(id);

      const operation = await store.operations.find(id);
      assert.equal(operation?.stage, Stage.Completed);
      assert.equal(responseOf(operation).status?.code, Code.Cancelled);
      assert.deepEqual(await store.upkeep.queuedPlatforms(), []);
    });

    it('goes on with a cancelled job for the others that wait for it (OP-4)', async () => {
      const cancelled = await add('a');
      const waiting = await add('a');

      await store.operations.cancel(cancelled.id);
      await finish();

      assert.equal(responseOf((await store.operations.find(cancelled.id))!).status?.code, Code.Cancelled);
      assert.equal(stdoutOf((await store.operations.find(waiting.id))!), 'done');
    });

    it('calls off the lease of a cancelled job, and takes no result of it any more (OP-4)', async () => {
      const { id } = await add('a');
      const { sessionName, leaseId } = await start();
      const events: JobEvent[] = [];
      store.events.subscribe((event) => events.push(event));

      await store.operations.cancel(id);
      await store.sessions.update(newUpdate(sessionName, 'bot', { reports: [done(leaseId)] }));

      assert.ok(events.some((event) => event.type === 'session' && event.sessionName === sessionName));
      assert.equal(responseOf((await store.operations.find(id))!).status?.code, Code.Cancelled);
    });

    it('leaves an operation that is over as it is when it is cancelled', async () => {
      const { id } = await add('a');
      await finish();

      await store.operations.cancel(id);

      assert.equal(stdoutOf((await store.operations.find(id))!), 'done');
    });

    it('starts anew for an action whose job was cancelled', async () => {
      const { id, jobId } = await add('a');
      await store.operations.cancel(id);

      assert.notEqual((await add('a')).jobId, jobId);
    });

    it('forgets an operation that is over, and only such a one (OP-5)', async () => {
      const { id } = await add('a');
      const wasRunning = await store.operations.forget(id);
      await finish();

      assert.equal(wasRunning, false);
      assert.equal(await store.operations.forget(id), true);
      assert.equal(await store.operations.find(id), undefined);
    });

    it('keeps an operation when another of its job is forgotten', async () => {
      const forgotten = await add('a');
      const kept = await add('a');
      await finish();

      await store.operations.forget(forgotten.id);

      assert.equal(stdoutOf((await store.operations.find(kept.id))!), 'done');
    });

    it('tells of each stage once it is durable', async () => {
      const stages: Stage[] = [];
      store.events.subscribe((event) => {
        if (event.type === 'stage') stages.push(event.stage);
      });
      await add('a');

      await finish();

      assert.deepEqual(stages, [Stage.Executing, Stage.Completed]);
    });
  });
}
