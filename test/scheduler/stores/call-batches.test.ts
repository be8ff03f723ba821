import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import type { JobStore, Operation } from '../../../src/scheduler/job-store.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { jobStoreKinds, type OpenedJobStore } from '../../helpers/job-store-kinds.js';
import { active, done, failed, keepaliveMs, newJob, newOperation, newUpdate } from '../../helpers/jobs.js';
import { StoreBench } from '../../helpers/store-bench.js';

for (const { kind, open } of jobStoreKinds) {
  describe(`SqlJobStore on ${kind}, asked by many at once`, function () {
    this.timeout(60_000);
    let opened: OpenedJobStore;
    let store: JobStore;
    let bench: StoreBench;
    const clock = new FakeClock();

    beforeEach(async () => {
      opened = await open(clock);
      ({ store } = opened);
      bench = new StoreBench(store);
    });

    afterEach(() => opened[Symbol.asyncDispose]());

    const add = (name: string, invocation = ''): Promise<Operation> => {
      const labels = { toolInvocationId: invocation, correlatedInvocationsId: '', actionMnemonic: '', targetId: '' };
      return store.operations.add(newJob(name), newOperation({ labels }), 1_000);
    };

    it('makes one job of equal adds that come together, and one of each other', async () => {
      const operations = await Promise.all(['a', 'b', 'a', 'a', 'b', 'c'].map((name) => add(name)));

      const jobs = operations.map(({ jobId }) => jobId);
      assert.equal(new Set(jobs).size, 3);
      assert.equal(jobs[0], jobs[2]);
      assert.equal(jobs[1], jobs[4]);
    });

    it('refuses those of the adds that are too many, and no other', async () => {
      const adds = Array.from({ length: 12 }, (_, index) =>
        store.operations.add(newJob(`job ${index}`), newOperation(), 10).then(
          () => 'added',
          (reason: unknown) => StatusError.from(reason).code,
        ),
      );

      const outcomes = await Promise.all(adds);

      assert.deepEqual(outcomes, [...Array<string>(10).fill('added'), Code.ResourceExhausted, Code.ResourceExhausted]);
    });

    it('keeps count of the queue while jobs are leased, put back, cancelled and ended', async () => {
      const operations = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => add(name)));
      const { session } = await bench.given();
      await store.sessions.hangUp(session.name, session.revision, keepaliveMs);
      await store.operations.cancel(operations[4]!.id);
      const worked = await bench.working();
      await bench.update(worked.session, [done(worked.leaseId)]);
      await store.upkeep.prune(0);

      const fill = (name: string): Promise<Operation> => store.operations.add(newJob(name), newOperation(), 5);
      await Promise.all([fill('x'), fill('y')]);
      await assert.rejects(fill('z'), { code: Code.ResourceExhausted });
    });

    it('does what the others want when one brings what the database cannot take', async () => {
      // Beyond the numbers of a column of PostgreSQL, and no text of SQLite's.
      const broken = store.operations.add(
        newJob('broken', {
          priority: {
            toString: () => {
              throw new Error('no number');
            },
          } as unknown as number,
        }),
        newOperation(),
        1_000,
      );

      const [failure, ...others] = await Promise.allSettled([broken, add('a'), add('b')]);

      assert.equal(failure.status, 'rejected');
      assert.deepEqual(
        others.map(({ status }) => status),
        ['fulfilled', 'fulfilled'],
      );
    });

    it('refuses the report of one bot and takes those of the others', async () => {
      await Promise.all([add('a'), add('b')]);
      const sessions = await Promise.all(['one', 'two'].map((botId) => bench.open(botId)));
      const given = await Promise.all(sessions.map((session) => bench.claim(session)));
      const reports = given.map((session) => [active(session!.leases[0]!.id)]);

      const [good, bad] = await Promise.allSettled([
        store.sessions.update(newUpdate(sessions[0]!.name, 'one', { reports: reports[0]! })),
        store.sessions.update(newUpdate(sessions[1]!.name, 'other', { reports: reports[1]! })),
      ]);

      assert.equal(good.status, 'fulfilled');
      assert.equal(bad.status === 'rejected' && StatusError.from(bad.reason).code, Code.InvalidArgument);
    });

    it('gives each of the bots that come together a job, by rank', async () => {
      await add('first');
      await Promise.all(Array.from({ length: 6 }, (_, index) => add(`later ${index}`)));
      const sessions = await Promise.all(Array.from({ length: 4 }, (_, index) => bench.open(`bot ${index}`)));

      const claimed = await Promise.all(sessions.map((session) => bench.claimedBy(session)));

      assert.equal(new Set(claimed).size, 4);
      assert.ok(!claimed.includes(undefined));
    });

    it('serves two builds in turns, however many jobs one of them has', async () => {
      for (let index = 0; index < 20; index += 1) await add(`large ${index}`, 'large');
      const small = await Promise.all([0, 1, 2].map((index) => add(`small ${index}`, 'small')));

      const started = new Set<string | undefined>();
      for (let bot = 0; bot < 8; bot += 1) started.add(await bench.claimedBy(await bench.open(`bot ${bot}`)));

      for (const { actionDigest } of small) assert.ok(started.has(actionDigest.hash));
    });

    it('tells the history of a job: each lease, how it ended and why', async () => {
      const operation = await add('a');
      const given = await bench.given();
      await store.sessions.hangUp(given.session.name, given.session.revision, keepaliveMs);
      const second = await bench.working();
      await bench.update(second.session, [failed(second.leaseId, 'no disk')]);
      clock.advance(60_000);
      await store.upkeep.extendSessions(keepaliveMs);
      const third = await bench.working();
      await bench.update(third.session, [done(third.leaseId)]);

      const attempts = await store.operations.attempts(operation.jobId);

      assert.deepEqual(
        attempts.map(({ leaseId, number, outcome }) => [leaseId, number, outcome]),
        [
          [given.leaseId, 1, 'returned'],
          [second.leaseId, 1, 'failed'],
          [third.leaseId, 2, 'completed'],
        ],
      );
      assert.match(attempts[1]?.error ?? '', /no disk/);
      assert.ok(attempts[2]?.startedAtMs !== undefined && attempts[2].endedAtMs !== undefined);
      const found = await bench.find(operation);
      assert.equal(found.stage, Stage.Completed);
      assert.ok((found.completedAtMs ?? 0) >= (found.startedAtMs ?? Infinity));
    });
  });
}
