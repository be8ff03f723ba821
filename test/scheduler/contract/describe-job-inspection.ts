import assert from 'node:assert/strict';
import type { JobEvent } from '../../../src/scheduler/job-events.js';
import type { InspectableJobStore } from '../../../src/scheduler/job-inspection.js';
import { LeaseState } from '../../../src/scheduler/lease.js';
import { platformKeyOf } from '../../../src/scheduler/platform.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import {
  active,
  actionNamed,
  done,
  failed,
  keepaliveMs,
  newJob,
  newOperation,
  newSession,
  offering,
  stdoutOf,
} from '../../helpers/jobs.js';
import { StoreBench } from '../../helpers/store-bench.js';

/** Makes an empty store; its deadlines go by `clock`. */
export type CreateInspectableJobStore = (
  clock: FakeClock,
) => Promise<AsyncDisposable & { readonly store: InspectableJobStore }>;

/** What people see and put right in every {@link InspectableJobStore}. */
export function describeJobInspection(name: string, create: CreateInspectableJobStore): void {
  describe(`${name} under inspection`, () => {
    let clock: FakeClock;
    let opened: Awaited<ReturnType<CreateInspectableJobStore>>;
    let store: InspectableJobStore;
    let bench: StoreBench;

    beforeEach(async () => {
      clock = new FakeClock();
      opened = await create(clock);
      ({ store } = opened);
      bench = new StoreBench(store);
    });

    afterEach(() => opened[Symbol.asyncDispose]());

    const bots = (parent = 'main', afterBotId = '', limit = 100) =>
      store.inspection.bots({ parent, afterBotId, limit });
    const drain = (botId: string, isDrained = true) => store.inspection.drain({ parent: 'main', botId }, isDrained);

    it('describes a job with all its attempts', async () => {
      const labels = {
        toolInvocationId: 'build',
        correlatedInvocationsId: 'ci',
        actionMnemonic: 'Cc',
        targetId: '//a',
      };
      const { id } = await store.operations.add(newJob('a', { priority: 3 }), newOperation({ labels }), 10);
      await store.operations.add(newJob('a'), newOperation(), 10);
      const { session, leaseId } = await bench.working();
      clock.advance(5);
      await bench.update(session, [failed(leaseId, 'no disk')]);
      clock.advance(60_000);
      const again = await bench.claim(await bench.open('other'));

      const details = await store.inspection.describe(id);

      assert.deepEqual([details?.labels, details?.priority, details?.sharedBy], [labels, 0, 2]);
      assert.deepEqual([details?.operation.id, details?.isLeased, details?.ahead], [id, true, 0]);
      assert.equal(details?.asOfMs, clock.now());
      assert.deepEqual(
        details.attempts.map(({ number, botId, outcome, error, endedAtMs }) => ({
          ...{ number, botId, outcome, error },
          isOver: endedAtMs !== undefined,
        })),
        [
          { number: 1, botId: 'bot', outcome: 'failed', error: 'bot "bot": no disk', isOver: true },
          { number: 2, botId: 'other', outcome: undefined, error: undefined, isOver: false },
        ],
      );
      assert.equal(details.attempts[1]?.sessionName, again?.name);
      assert.equal(await store.inspection.describe('unknown'), undefined);
    });

    it('counts the waiting jobs of the same platform that go first', async () => {
      const platformKey = platformKeyOf([{ name: 'pool', value: 'gpu' }]);
      const first = await bench.add('first');
      await bench.add('elsewhere', { platformKey });
      await bench.add('second');
      const last = await bench.add('last');

      const ahead = await Promise.all(
        [first, last].map(async ({ id }) => (await store.inspection.describe(id))?.ahead),
      );

      assert.deepEqual(ahead, [0, 2]);
    });

    it('lists bots by their ids, with what they have, a page at a time', async () => {
      const operation = await bench.add('a');
      const { session } = await bench.given();
      clock.advance(7);
      await bench.update(session, [active(session.leases[0]!.id)]);
      await bench.open('a-bot', { offered: offering({ pool: 'gpu' }), isAccepting: false });
      await bench.open('stranger', { parent: 'other' });

      const { bots: found, asOfMs } = await bots();

      assert.equal(asOfMs, clock.now());
      assert.deepEqual(
        found.map(({ botId, isDrained, session: own }) => [botId, isDrained, own?.isAccepting]),
        [
          ['a-bot', false, false],
          ['bot', false, true],
        ],
      );
      assert.deepEqual(found[0]?.session?.offered, offering({ pool: 'gpu' }));
      assert.deepEqual(found[1]?.session?.lease, {
        actionDigest: actionNamed('a'),
        operationId: operation.id,
        leasedAtMs: clock.now() - 7,
        startedAtMs: clock.now(),
        isCalledOff: false,
      });
      assert.equal(found[1].session.expiresAtMs, clock.now() + keepaliveMs);
      const pages = [await bots('main', '', 1), await bots('main', 'a-bot', 1), await bots('main', 'bot', 1)];
      assert.deepEqual(
        pages.map((page) => page.bots.map(({ botId }) => botId)),
        [['a-bot'], ['bot'], []],
      );
    });

    it('names no operation of another instance', async () => {
      await store.operations.add(newJob('a'), newOperation({ instanceName: 'secret' }), 10);
      await bench.given();

      const lease = (await bots()).bots[0]?.session?.lease;

      assert.deepEqual([lease?.actionDigest, lease?.operationId], [actionNamed('a'), undefined]);
    });

    it('tells which bots are idle, busy and draining', async () => {
      await bench.add('a');
      await bench.given();
      for (const botId of ['drained', 'idle']) await bench.open(botId);
      await bench.open('elsewhere', { parent: 'other', isAccepting: false });
      await drain('drained');

      const fleet = await store.inspection.fleet();

      assert.deepEqual(fleet.map(({ botId, state }) => `${botId} ${state}`).sort(), [
        'bot busy',
        'drained draining',
        'elsewhere draining',
        'idle idle',
      ]);
    });

    it('gives a drained bot nothing new, but lets it finish what it has', async () => {
      const operation = await bench.add('a');
      await bench.add('b');
      const { session, leaseId } = await bench.working();

      assert.equal(await drain('bot'), true);
      const kept = await bench.update(session, [active(leaseId)]);
      const finished = await bench.update(kept, [done(leaseId, 'finished')]);

      assert.deepEqual([kept.isDrained, kept.leases.map(({ id }) => id)], [true, [leaseId]]);
      assert.equal(stdoutOf(await bench.find(operation)), 'finished');
      assert.equal(await bench.claim(finished), undefined);
      await drain('bot', false);
      assert.equal(await bench.claimedBy(finished), actionNamed('b').hash);
    });

    it('keeps a bot drained that starts anew, and only that one', async () => {
      await bench.add('a');
      await bench.open('bot');
      await drain('bot');

      const anew = await bench.open('bot');
      const namesake = await bench.open('bot', { parent: 'other' });

      assert.deepEqual([anew.isDrained, namesake.isDrained], [true, false]);
      assert.equal(await bench.claim(anew), undefined);
      assert.equal(await bench.claimedBy(namesake), actionNamed('a').hash);
    });

    it('lists a drained bot that is away, and forgets it when it is no longer drained', async () => {
      await bench.open('bot');
      await drain('bot');
      clock.advance(keepaliveMs);
      await store.upkeep.expireSessions();

      const away = await bots();
      const undone = await drain('bot', false);

      assert.deepEqual(away.bots, [{ botId: 'bot', isDrained: true }]);
      assert.equal(undone, true);
      assert.deepEqual((await bots()).bots, []);
      assert.deepEqual([await drain('bot'), await drain('bot', false)], [false, false]);
    });

    it('tells the held call of a bot that it is drained, and that it is not', async () => {
      const { name: sessionName } = await bench.open('bot');
      const events: JobEvent[] = [];
      store.events.subscribe((event) => events.push(event));

      await drain('bot');
      await drain('bot');
      await drain('bot', false);

      const told = { type: 'session', sessionName };
      assert.deepEqual(events, [told, told]);
    });

    it('drains a bot that connects at the same moment', async () => {
      await bench.add('a');
      await bench.open('bot');

      const [session] = await Promise.all([bench.open('bot'), drain('bot')]);

      assert.equal((await bots()).bots[0]?.isDrained, true);
      assert.equal(await bench.claim(session), undefined);
    });

    it('takes a running job away, queues it again, and ignores what its bot says of it (RW-6)', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();

      const outcome = await store.inspection.requeue(operation.id);
      const { stage } = await bench.find(operation);
      const told = await bench.update(session, [active(leaseId)]);
      const late = await bench.update(told, [done(leaseId, 'late')]);

      assert.deepEqual([outcome, stage], ['requeued', Stage.Queued]);
      assert.deepEqual(
        told.leases.map(({ id, state }) => [id, state]),
        [[leaseId, LeaseState.Cancelled]],
      );
      assert.deepEqual(late.leases, []);
      assert.equal((await bench.find(operation)).stage, Stage.Queued);
      const details = await store.inspection.describe(operation.id);
      assert.deepEqual(
        details?.attempts.map(({ number, outcome: how }) => [number, how]),
        [[1, 'requeued']],
      );
    });

    it('counts no attempt for a job that is taken away, and gives it to others first', async () => {
      const operation = await bench.add('a');
      const { session, leaseId } = await bench.working();
      const other = await bench.open('other');
      await store.inspection.requeue(operation.id);
      await bench.update(session, [done(leaseId)]);

      const given = await bench.claim(other);
      await store.sessions.update({
        ...newSession('other'),
        ...{ name: other.name, isLeaving: false, reports: [done(given!.leases[0]!.id, 'by other')] },
      });

      const details = await store.inspection.describe(operation.id);
      assert.deepEqual(details?.attempts.map(({ number, botId, outcome }) => [number, botId, outcome]).sort(), [
        [1, 'bot', 'requeued'],
        [1, 'other', 'completed'],
      ]);
      assert.equal(stdoutOf(await bench.find(operation)), 'by other');
    });

    it('leaves a job alone that waits or is over', async () => {
      const waiting = await bench.add('a');
      const whileWaiting = await store.inspection.requeue(waiting.id);
      const { session, leaseId } = await bench.working();
      await bench.update(session, [done(leaseId)]);

      assert.equal(whileWaiting, 'queued');
      assert.equal(await store.inspection.requeue(waiting.id), 'over');
      assert.equal(await store.inspection.requeue('unknown'), 'over');
      assert.equal((await bench.find(waiting)).stage, Stage.Completed);
    });

    it('tells clients and bots of a job that is taken away, and counts it among those that wait', async () => {
      const operation = await bench.add('a');
      const { session } = await bench.working();
      const events: JobEvent[] = [];
      store.events.subscribe((event) => events.push(event));

      await store.inspection.requeue(operation.id);

      assert.deepEqual(events.map(({ type }) => type).sort(), ['queued', 'session', 'stage']);
      assert.ok(events.some((event) => event.type === 'session' && event.sessionName === session.name));
      await assert.rejects(store.operations.add(newJob('b'), newOperation(), 1));
    });

    it('tells in a list who has a job, and what it belongs to', async () => {
      const labels = { toolInvocationId: 'build', correlatedInvocationsId: '', actionMnemonic: 'Cc', targetId: '' };
      await store.operations.add(newJob('a'), newOperation({ labels }), 10);
      await store.operations.add(newJob('b', { priority: 1 }), newOperation(), 10);
      await bench.given();

      const listed = await store.operations.list({ instanceName: 'main', conditions: [], afterSeq: 0, limit: 10 });

      assert.deepEqual(
        listed.map(({ labels: own, botId }) => [own.toolInvocationId, own.actionMnemonic, botId]),
        [
          ['build', 'Cc', 'bot'],
          ['', '', undefined],
        ],
      );
    });
  });
}
