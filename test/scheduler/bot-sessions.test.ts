import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { Session } from '../../src/scheduler/job-store.js';
import { LeaseState } from '../../src/scheduler/lease.js';
import { Stage } from '../../src/scheduler/stage.js';
import { SchedulerBench, finished, running } from '../helpers/scheduler-bench.js';
import { until } from '../helpers/until.js';

const gone = new StatusError(Code.Cancelled, 'The client cancelled the call');
const stopping = new StatusError(Code.Unavailable, 'The server is stopping');

describe('BotSessions', () => {
  let bench: SchedulerBench;

  beforeEach(async () => {
    bench = await SchedulerBench.open();
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  /** The sleepers of a bench without calls: the housekeeper. */
  const atRest = 1;

  /** Updates with 20 s of patience, and resolves when the call is held. */
  async function hold(
    session: Session,
    overrides: Parameters<SchedulerBench['update']>[2] = {},
    signal?: AbortSignal,
  ): Promise<{ answer: Promise<Session> }> {
    const before = bench.clock.sleepers;
    const deadlineMs = bench.clock.now() + 20_000;
    const reports = session.leases.map(({ id }) => running(id));
    const answer = bench.update(session, reports, { deadlineMs, ...overrides }, signal);
    answer.catch(() => undefined);
    await until(() => bench.clock.sleepers > before);
    return { answer };
  }

  it('answers a new bot at once, with work if there is any (RW-1)', async () => {
    const idle = await bench.connect('idle');
    await bench.execute('a');

    const busy = await bench.connect('busy');

    assert.deepEqual(idle.leases, []);
    assert.equal(busy.leases.length, 1);
    assert.equal(busy.expiresAtMs, bench.clock.now() + 60_000);
  });

  it('holds the update of an idle bot until there is work (RW-5)', async () => {
    const { answer } = await hold(await bench.connect('bot'));

    const { actionDigest } = await bench.execute('a');

    const { leases } = await answer;
    assert.deepEqual(
      leases.map((lease) => lease.actionDigest),
      [actionDigest],
    );
  });

  it('asks nothing of the store while it holds an idle bot', async () => {
    let transactions = 0;
    const { sessions } = bench.store;
    const claim = sessions.claim.bind(sessions);
    sessions.claim = (...args) => {
      transactions += 1;
      return claim(...args);
    };
    const { answer } = await hold(await bench.connect('bot'));
    const looked = transactions;

    bench.clock.advance(18_999);
    await until(() => bench.clock.sleepers === atRest + 1);

    assert.equal(transactions, looked);
    bench.clock.advance(1);
    await answer;
  });

  it('answers a second before the deadline of the bot, with a new deadline of its session (RW-4, RW-5)', async () => {
    const { answer } = await hold(await bench.connect('bot'));

    bench.clock.advance(19_000);

    const { leases, expiresAtMs } = await answer;
    assert.deepEqual(leases, []);
    assert.equal(expiresAtMs, bench.clock.now() + 60_000);
  });

  it('answers long before the session would expire, however patient the bot (RW-5)', async () => {
    const session = await bench.connect('bot');
    const { answer } = await hold(session, { deadlineMs: bench.clock.now() + 3_600_000 });

    bench.clock.advance(30_000);

    assert.deepEqual((await answer).leases, []);
  });

  for (const [title, deadline] of [
    ['without a deadline', undefined],
    ['with a deadline of a second', 1_000],
  ] as const) {
    it(`holds no call ${title} (RW-5)`, async () => {
      const session = await bench.connect('bot');
      const deadlineMs = deadline === undefined ? undefined : bench.clock.now() + deadline;

      assert.deepEqual((await bench.update(session, [], { deadlineMs })).leases, []);
    });
  }

  it('answers a busy bot at once (RW-5)', async () => {
    await bench.execute('a');
    const session = await bench.connect('bot');
    const reports = [running(session.leases[0]!.id)];

    const { leases } = await bench.update(session, reports, { deadlineMs: bench.clock.now() + 20_000 });

    assert.equal(leases[0]?.state, LeaseState.Active);
  });

  it('holds a busy bot that asks for it, and tells it at once when its lease is cancelled (RW-5, OP-4)', async () => {
    const operation = await bench.execute('a');
    const { answer } = await hold(await bench.connect('bot'), { holdsBusy: true });

    await bench.scheduler.cancel(operation);

    assert.equal((await answer).leases[0]?.state, LeaseState.Cancelled);
  });

  it('offers a lease at once whose answer was lost, though it may hold busy bots (RW-7)', async () => {
    await bench.execute('a');
    const session = await bench.connect('bot');

    const { leases } = await bench.update(session, [], { deadlineMs: bench.clock.now() + 20_000, holdsBusy: true });

    assert.equal(leases[0]?.state, LeaseState.Pending);
  });

  it('gives nothing to a bot that hangs up, and another one gets the job (RW-5)', async () => {
    const call = new AbortController();
    const { answer } = await hold(await bench.connect('bot'), {}, call.signal);
    const other = await hold(await bench.connect('other'), { botId: 'other' });

    call.abort(gone);
    await bench.execute('a');

    await assert.rejects(answer, gone);
    assert.equal((await other.answer).leases.length, 1);
  });

  it('takes back the job of an answer that nobody waits for any more (RW-5)', async () => {
    const call = new AbortController();
    const session = await bench.connect('bot');
    const operation = await bench.execute('a');
    const { sessions } = bench.store;
    const claim = sessions.claim.bind(sessions);
    sessions.claim = async (...args) => {
      const claimed = await claim(...args);
      call.abort(gone);
      return claimed;
    };

    await assert.rejects(bench.update(session, [], {}, call.signal), gone);

    sessions.claim = claim;
    const other = await bench.connect('other');
    assert.ok(other.leases[0]?.actionDigest.equals(operation.actionDigest));
  });

  it('gives a bot 15 s to come again whose held call breaks off', async () => {
    const call = new AbortController();
    const { answer } = await hold(await bench.connect('bot'), {}, call.signal);
    call.abort(gone);
    await assert.rejects(answer, gone);

    bench.clock.advance(14_999);
    const before = await bench.store.upkeep.expireSessions();
    bench.clock.advance(1);

    assert.equal(before, 0);
    assert.equal(await bench.store.upkeep.expireSessions(), 1);
  });

  it('leaves a bot its time when it is the server that ends the call', async () => {
    const call = new AbortController();
    const { answer } = await hold(await bench.connect('bot'), {}, call.signal);
    call.abort(stopping);
    await assert.rejects(answer, stopping);

    bench.clock.advance(59_000);

    assert.equal(await bench.store.upkeep.expireSessions(), 0);
  });

  it('ends the call that it holds when the bot makes a newer one', async () => {
    const session = await bench.connect('bot');
    const older = await hold(session);

    const newer = bench.update(session, [], { deadlineMs: bench.clock.now() + 20_000 });
    const { leases } = await older.answer;
    await bench.execute('a');

    assert.deepEqual(leases, []);
    assert.equal((await newer).leases.length, 1);
  });

  it('ends the call that it holds when the session is replaced (RW-1)', async () => {
    const session = await bench.connect('bot');
    const { answer } = await hold(session);

    await bench.connect('bot');

    assert.deepEqual((await answer).leases, []);
    await assert.rejects(bench.update(session, []), { code: Code.InvalidArgument });
  });

  it('hands the next job out with the answer to a result', async () => {
    await bench.execute('a');
    const next = await bench.execute('b');
    const session = await bench.connect('bot');

    const { leases } = await bench.update(session, [finished(session.leases[0]!.id)]);

    assert.ok(leases[0]?.actionDigest.equals(next.actionDigest));
  });

  it('answers a result at once though there is no work, so that the bot knows that it was taken', async () => {
    await bench.execute('a');
    const session = await bench.connect('bot');
    const deadlineMs = bench.clock.now() + 20_000;

    const { leases } = await bench.update(session, [finished(session.leases[0]!.id)], { deadlineMs });

    assert.deepEqual(leases, []);
  });

  it('gives a job out when the pause after a failed attempt is over, without being asked again (RW-10)', async () => {
    const operation = await bench.execute('a');
    const session = await bench.connect('bot');
    const waiting = await hold(await bench.connect('other'), { botId: 'other' });
    const failed = finished(session.leases[0]!.id, {
      status: { code: Code.Unavailable, message: 'no disk' },
      result: undefined,
    });
    await bench.update(session, [failed], { isAccepting: false });
    await until(() => bench.clock.slept.includes(1_000));

    bench.clock.advance(1_000);

    assert.ok((await waiting.answer).leases[0]?.actionDigest.equals(operation.actionDigest));
  });

  it('reports again what could not be kept: trouble with the CAS costs no attempt', async () => {
    const operation = await bench.execute('a');
    const session = await bench.connect('bot');
    const reports = [finished(session.leases[0]!.id)];
    const storeInlined = (): Promise<never> => Promise.reject(new StatusError(Code.Unavailable, 'no CAS'));

    await assert.rejects(bench.update(session, reports, { storeInlined }), { code: Code.Unavailable });
    await bench.update(session, reports);

    assert.equal((await bench.scheduler.find(operation)).stage, Stage.Completed);
  });

  it('tries again elsewhere when a bot reports bytes that are not those of their digest', async () => {
    const operation = await bench.execute('a');
    const session = await bench.connect('bot');
    const reports = [finished(session.leases[0]!.id)];
    const storeInlined = (): Promise<never> => Promise.reject(new StatusError(Code.InvalidArgument, 'other bytes'));

    const { leases } = await bench.update(session, reports, { storeInlined });

    assert.deepEqual(leases, []);
    assert.equal((await bench.scheduler.find(operation)).stage, Stage.Queued);
  });
});
