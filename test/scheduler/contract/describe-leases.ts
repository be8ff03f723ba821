import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import type { JobStore } from '../../../src/scheduler/job-store.js';
import { LeaseState } from '../../../src/scheduler/lease.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { active, done, failed, keepaliveMs, newUpdate, responseOf, stdoutOf } from '../../helpers/jobs.js';
import { StoreBench } from '../../helpers/store-bench.js';
import type { CreateJobStore } from './describe-operation-store.js';

/** The rules of Leases that every {@link JobStore} keeps. */
export function describeLeases(name: string, create: CreateJobStore): void {
  describe(`${name} under the rules of leases`, () => {
    let clock: FakeClock;
    let opened: Awaited<ReturnType<CreateJobStore>>;
    let store: JobStore;
    let bench: StoreBench;

    beforeEach(async () => {
      clock = new FakeClock();
      opened = await create(clock);
      ({ store } = opened);
      bench = new StoreBench(store);
    });

    afterEach(() => opened[Symbol.asyncDispose]());

    it('keeps a job queued while its lease is pending, executing once the bot has begun', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.given();
      const whilePending = await bench.find(operation);

      const updated = await bench.update(session, [active(leaseId)]);

      assert.equal(whilePending.stage, Stage.Queued);
      assert.equal((await bench.find(operation)).stage, Stage.Executing);
      assert.deepEqual(
        updated.leases.map(({ id, state }) => [id, state]),
        [[leaseId, LeaseState.Active]],
      );
    });

    it('offers a lease again that the bot has never told of, for its answer was lost (RW-7)', async () => {
      await bench.add('a');
      const { session, leaseId } = await bench.given();

      const updated = await bench.update(session, []);

      assert.deepEqual(
        updated.leases.map(({ id, state }) => [id, state]),
        [[leaseId, LeaseState.Pending]],
      );
    });

    it('takes a lease away from a bot that never mentions it', async () => {
      const operation = await bench.add('a');
      let { session } = await bench.given();

      for (let offers = 1; offers <= 5; offers += 1) session = await bench.update(session, []);

      assert.deepEqual(session.leases, []);
      clock.advance(1_000);
      assert.equal(await bench.claimedBy(await bench.open('other')), operation.actionDigest.hash);
    });

    it('queues a job again whose lease the bot no longer knows (RW-7)', async () => {
      const operation = await bench.add('a');
      const { session } = await bench.working();

      const updated = await bench.update(session, []);

      assert.deepEqual(updated.leases, []);
      assert.equal((await bench.find(operation)).stage, Stage.Queued);
    });

    for (const [title, state] of [
      ['echoes as pending', LeaseState.Pending],
      ['reports without a state', LeaseState.Unspecified],
    ] as const) {
      it(`leaves a running lease as it is that the bot ${title} (RW-6)`, async () => {
        const operation = await bench.add('a');
        const { session, leaseId } = await bench.working();

        const updated = await bench.update(session, [{ id: leaseId, state }]);

        assert.equal(updated.leases[0]?.state, LeaseState.Active);
        assert.equal((await bench.find(operation)).stage, Stage.Executing);
      });
    }

    it('completes a job with what the bot reports, and drops the lease from the answer', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();

      const updated = await bench.update(session, [done(leaseId, 'hello')]);

      assert.deepEqual(updated.leases, []);
      assert.equal((await bench.find(operation)).stage, Stage.Completed);
      assert.equal(stdoutOf(await bench.find(operation)), 'hello');
    });

    it('completes a job that was done before the bot had told of it (RW-6)', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.given();

      await bench.update(session, [done(leaseId, 'quick')]);

      assert.equal(stdoutOf(await bench.find(operation)), 'quick');
    });

    it('ignores a report that is repeated (D7)', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();
      await bench.update(session, [done(leaseId, 'first')]);

      const updated = await bench.update(session, [done(leaseId, 'second')]);

      assert.deepEqual(updated.leases, []);
      assert.equal(stdoutOf(await bench.find(operation)), 'first');
    });

    it('ignores the late report of a lease that was taken away (D7)', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();
      await bench.update(session, []);
      clock.advance(1_000);
      const other = await bench.claim(await bench.open('other'));

      await bench.update(session, [done(leaseId, 'late')]);
      const between = await bench.find(operation);
      const reports = [done(other!.leases[0]!.id, 'in time')];
      await store.sessions.update(newUpdate(other!.name, 'other', { reports }));

      assert.equal(between.stage, Stage.Queued);
      assert.equal(stdoutOf(await bench.find(operation)), 'in time');
    });

    it("ignores a report on another session's lease (S5)", async () => {
      const operation = await bench.add('a');
      const { leaseId } = await bench.working();
      const thief = await bench.open('thief');

      await store.sessions.update(newUpdate(thief.name, 'thief', { reports: [done(leaseId, 'forged')] }));

      assert.equal((await bench.find(operation)).stage, Stage.Executing);
      assert.deepEqual(await store.sessions.leasedJobs(thief.name, [leaseId]), []);
    });

    it('tells about the jobs of leases that are in force', async () => {
      const operation = await bench.add('a', { isCacheable: false });
      const { session, leaseId } = await bench.working();

      const [job] = await store.sessions.leasedJobs(session.name, [leaseId, 'unknown']);

      assert.deepEqual(job, {
        leaseId,
        actionDigest: operation.actionDigest,
        isCacheable: false,
        queuedAtMs: operation.queuedAtMs,
      });
    });

    it('tries a job again after a moment when its worker has failed, and with another bot first (RW-10)', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();
      const idle = await bench.update(session, [failed(leaseId, 'UNAVAILABLE: no disk')]);
      const other = await bench.open('other');

      const atOnce = await bench.claim(other);
      clock.advance(1_000);
      const bySame = await bench.claim(idle);
      const byOther = await bench.claim(other);

      assert.equal((await bench.find(operation)).stage, Stage.Queued);
      assert.equal(atOnce, undefined);
      assert.equal(bySame, undefined);
      assert.equal(byOther?.leases.length, 1);
    });

    it('lets the same bot try again when no other comes', async () => {
      await bench.add('a');
      const { session, leaseId } = await bench.working();
      const idle = await bench.update(session, [failed(leaseId, 'UNAVAILABLE: no disk')]);

      clock.advance(11_000);

      assert.equal((await bench.claim(idle))?.leases.length, 1);
    });

    it('gives a job up after 5 attempts, with the last error and nothing that makes clients try again (U3)', async () => {
      const operation = await bench.add('a');
      for (let attempt = 1; attempt <= 5; attempt += 1) {
        clock.advance(20_000);
        const { session, leaseId } = await bench.working();
        await bench.update(session, [failed(leaseId, `INTERNAL: fault ${attempt}`)]);
      }

      const { status } = responseOf(await bench.find(operation));
      assert.equal(status?.code, Code.FailedPrecondition);
      assert.match(status.message ?? '', /5 attempts.* bot "bot": INTERNAL: fault 5$/);
      assert.deepEqual(status.details ?? [], []);
    });

    it('gives a job up whose worker vanishes 5 times (U3)', async () => {
      const operation = await bench.add('a');
      for (let attempt = 1; attempt <= 5; attempt += 1) {
        await bench.working();
        clock.advance(keepaliveMs);
        await store.upkeep.expireSessions();
      }

      const { status } = responseOf(await bench.find(operation));
      assert.equal(status?.code, Code.FailedPrecondition);
      assert.match(status.message ?? '', /vanished while it had the lease/);
    });

    it('tells a bot that its lease is cancelled until it has heard it', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();
      await store.operations.cancel(operation.id);

      const told = await bench.update(session, [active(leaseId)]);
      const again = await bench.update(session, [active(leaseId)]);
      const heard = await bench.update(session, [{ id: leaseId, state: LeaseState.Cancelled }]);

      for (const { leases } of [told, again]) assert.equal(leases[0]?.state, LeaseState.Cancelled);
      assert.deepEqual(heard.leases, []);
    });

    it('queues a job again whose lease the bot gives up by itself', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();

      const updated = await bench.update(session, [{ id: leaseId, state: LeaseState.Cancelled }]);

      assert.deepEqual(updated.leases, []);
      assert.equal((await bench.find(operation)).stage, Stage.Queued);
    });
  });
}
