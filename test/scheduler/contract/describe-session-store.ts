import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import type { JobStore } from '../../../src/scheduler/job-store.js';
import { LeaseState } from '../../../src/scheduler/lease.js';
import { platformKeyOf } from '../../../src/scheduler/platform.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { active, actionNamed, done, failed, keepaliveMs, newUpdate, offering } from '../../helpers/jobs.js';
import { StoreBench } from '../../helpers/store-bench.js';
import type { CreateJobStore } from './describe-operation-store.js';

/** What bots may rely on in every {@link JobStore}. */
export function describeSessionStore(name: string, create: CreateJobStore): void {
  describe(`${name} as a SessionStore`, () => {
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

    it('hands out the most urgent job first, and among equals the one that came first (EX-13)', async () => {
      await bench.add('late', { priority: 1 });
      await bench.add('first', { priority: -1 });
      await bench.add('second', { priority: -1 });

      const order = [];
      for (const botId of ['1', '2', '3']) order.push(await bench.claimedBy(await bench.open(botId)));

      assert.deepEqual(
        order,
        ['first', 'second', 'late'].map((job) => actionNamed(job).hash),
      );
    });

    it('hands out a job only to a bot that offers all its properties, and passes over it for others (RW-11)', async () => {
      const platformKey = platformKeyOf([
        { name: 'pool', value: 'gpu' },
        { name: 'OSFamily', value: 'linux' },
      ]);
      await bench.add('special', { platformKey, priority: -1 });
      await bench.add('plain');

      const plain = await bench.claimedBy(await bench.open('plain', { offered: offering({ OSFamily: 'linux' }) }));
      const special = await bench.claimedBy(
        await bench.open('special', { offered: offering({ OSFamily: 'linux', pool: 'gpu' }) }),
      );

      assert.equal(plain, actionNamed('plain').hash);
      assert.equal(special, actionNamed('special').hash);
    });

    it('hands out each job once, however many ask at the same time', async () => {
      await Promise.all(['a', 'b', 'c'].map((job) => bench.add(job)));
      const sessions = await Promise.all(['1', '2', '3', '4', '5'].map((botId) => bench.open(botId)));

      const hashes = (await Promise.all(sessions.map((session) => bench.claimedBy(session)))).filter(
        (hash) => hash !== undefined,
      );

      assert.equal(new Set(hashes).size, 3);
      assert.equal(hashes.length, 3);
    });

    it('gives a session one lease at a time (RW-12)', async () => {
      await bench.add('a');
      await bench.add('b');
      const { session } = await bench.given();

      assert.equal(await bench.claim(session), undefined);
    });

    it('gives nothing to a bot that takes no work (RW-3)', async () => {
      await bench.add('a');

      assert.equal(await bench.claim(await bench.open('bot', { isAccepting: false })), undefined);
    });

    it('gives nothing to a call that a newer one has overtaken', async () => {
      await bench.add('a');
      const old = await bench.open('bot');
      await bench.update(old, []);

      assert.equal(await bench.claim(old), undefined);
    });

    it('gives nothing to a session whose deadline has passed', async () => {
      await bench.add('a');
      const session = await bench.open('bot');
      clock.advance(keepaliveMs);

      assert.equal(await bench.claim(session), undefined);
    });

    it('sets a new deadline with every answer (RW-4)', async () => {
      const session = await bench.open('bot');
      clock.advance(1_000);
      const updated = await bench.update(session, []);
      clock.advance(1_000);
      const touched = await store.sessions.touch(updated.name, updated.revision, keepaliveMs);
      await bench.add('a');
      clock.advance(1_000);
      const claimed = await bench.claim(updated);

      const deadlines = [session, updated, touched!, claimed!].map(({ expiresAtMs }) => expiresAtMs);
      const first = clock.now() - 3_000 + keepaliveMs;
      assert.deepEqual(deadlines, [first, first + 1_000, first + 2_000, first + 3_000]);
    });

    it("replaces a bot's session: its leases are queued again and its updates refused (RW-1)", async () => {
      const operation = await bench.add('a');
      const { session } = await bench.working();

      const replacement = await bench.open('bot');

      assert.equal((await bench.find(operation)).stage, Stage.Queued);
      await assert.rejects(bench.update(session, []), {
        code: Code.InvalidArgument,
        message: /was replaced by a newer/,
      });
      assert.equal(await bench.claimedBy(replacement), operation.actionDigest.hash);
    });

    it('keeps bots of the same id apart that work for different parents', async () => {
      const session = await bench.open('bot', { parent: 'one' });

      await bench.open('bot', { parent: 'two' });

      assert.equal((await bench.update(session, [])).revision, 2);
    });

    it('ends a session that another bot uses (RW-2)', async () => {
      const operation = await bench.add('a');
      const { session } = await bench.working();

      const misuse = store.sessions.update(newUpdate(session.name, 'thief'));

      await assert.rejects(misuse, { code: Code.InvalidArgument, message: /belongs to bot "bot"/ });
      await assert.rejects(bench.update(session, []), { code: Code.InvalidArgument });
      assert.equal((await bench.find(operation)).stage, Stage.Queued);
    });

    it('says of an unknown session that it is unknown (RW-2)', async () => {
      const unknown = store.sessions.update(newUpdate('main/unknown', 'bot'));

      await assert.rejects(unknown, { code: Code.InvalidArgument, message: /is not known here/ });
    });

    it('says of an expired session that it has expired (RW-2)', async () => {
      const session = await bench.open('bot');
      clock.advance(keepaliveMs);
      await store.upkeep.expireSessions();

      await assert.rejects(bench.update(session, []), { code: Code.InvalidArgument, message: /expired/ });
    });

    it('lets a bot finish what it has before it leaves, and then ends its session (RW-3)', async () => {
      await bench.add('a');
      const { session, leaseId } = await bench.working();
      const leaving = { isAccepting: false, isLeaving: true };

      const draining = await bench.update(session, [active(leaseId)], leaving);
      const left = await bench.update(session, [done(leaseId)], leaving);

      assert.equal(draining.leases.length, 1);
      assert.deepEqual(left.leases, []);
      await assert.rejects(bench.update(session, []), { message: /was ended by its bot/ });
    });

    it('takes back, as if nothing had been, what a leaving bot has not begun (RW-3)', async () => {
      await bench.add('a');
      const { session } = await bench.given();

      const left = await bench.update(session, [], { isAccepting: false, isLeaving: true });

      assert.deepEqual(left.leases, []);
      assert.equal((await bench.claim(await bench.open('other')))?.leases.length, 1);
    });

    it('takes back what an answer carried that nobody waited for, and counts it for no attempt (RW-5)', async () => {
      const operation = await bench.add('a');
      let { session } = await bench.given();
      for (let times = 1; times <= 6; times += 1) {
        await store.sessions.hangUp(session.name, session.revision, 15_000);
        session = (await bench.claim(session))!;
      }

      await bench.update(session, [failed(session.leases[0]!.id, 'UNAVAILABLE: no disk')]);

      assert.equal((await bench.find(operation)).stage, Stage.Queued);
    });

    it('gives a bot less time that has hung up, and never more than it had', async () => {
      const session = await bench.open('bot');
      clock.advance(1_000);
      await store.sessions.hangUp(session.name, session.revision, 15_000);
      await store.sessions.hangUp(session.name, session.revision, keepaliveMs);

      clock.advance(14_999);
      const before = await store.upkeep.expireSessions();
      clock.advance(1);

      assert.equal(before, 0);
      assert.equal(await store.upkeep.expireSessions(), 1);
    });

    it('takes nothing back when the bot has come again in the meantime', async () => {
      await bench.add('a');
      const { session, leaseId } = await bench.given();
      await bench.update(session, []);

      await store.sessions.hangUp(session.name, session.revision, 15_000);

      const again = await bench.update(session, [active(leaseId)]);
      assert.equal(again.leases[0]?.state, LeaseState.Active);
      clock.advance(16_000);
      assert.equal(await store.upkeep.expireSessions(), 0);
    });
  });
}
