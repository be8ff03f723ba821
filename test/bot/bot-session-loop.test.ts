import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { unpackAny } from '../../src/proto/any.js';
import { reapi, rwapi } from '../../src/proto/index.js';
import { SessionHarness, lease, statesOf } from './session-harness.js';

const { ACTIVE, CANCELLED } = rwapi.LeaseState;
const { OK } = rwapi.BotStatus;

describe('BotSessionLoop', () => {
  let bot: SessionHarness;

  beforeEach(() => {
    bot = new SessionHarness();
  });

  afterEach(() => bot.end());

  it('registers with parent, bot id and worker, and then waits for work', async () => {
    const create = await bot.bots.next();
    create.answer();
    const poll = await bot.bots.next();

    assert.equal(create.parent, 'main');
    assert.deepEqual(create.session, { botId: 'bot/1', worker: { devices: [{ handle: 'machine' }] }, status: OK });
    assert.equal(poll.method, 'update');
    assert.equal(poll.session.name, 'session');
    assert.equal(poll.session.botId, 'bot/1');
    assert.equal(poll.session.status, OK);
    assert.deepEqual(poll.session.leases, []);
    assert.equal(bot.connections, 1);
  });

  it('accepts a lease, reports it ACTIVE at once, and asks the server to hold the call (RW-5, RW-6)', async () => {
    (await bot.connect()).answer(lease('a'));
    const report = await bot.bots.next();

    assert.deepEqual(statesOf(report), ['a ACTIVE']);
    assert.equal(report.options.holdBusy, true);
    assert.equal(report.options.deadlineMs, 21_000);
    assert.equal(String((await bot.untilWorking()).digest), String(Digest.of(Buffer.from('a'))));
  });

  it('takes a lease that comes with the new session', async () => {
    assert.deepEqual(statesOf(await bot.connect(lease('a'))), ['a ACTIVE']);
  });

  it('takes the first of several leases, and no second one beside it (RW-12)', async () => {
    (await bot.connect(lease('a'), lease('b'))).answer(lease('a', ACTIVE), lease('b'));

    assert.deepEqual(statesOf(await bot.bots.next()), ['a ACTIVE']);
    assert.equal(bot.works.length, 1);
  });

  it('hangs up its poll to report a completed lease with its result', async () => {
    const poll = await bot.connect(lease('a'));
    (await bot.untilWorking()).finish();
    const report = await bot.bots.next();

    assert.equal(poll.isAborted, true);
    assert.deepEqual(statesOf(report), ['a COMPLETED']);
    const [completed] = report.session.leases!;
    assert.equal(completed?.status?.code, Code.Ok);
    const name = 'build.bazel.remote.execution.v2.ActionResult';
    assert.equal(unpackAny(name, reapi.ActionResult, completed.result)?.exitCode, 7);
  });

  it('repeats a report until the server has taken it', async () => {
    await bot.connect(lease('a'));
    (await bot.untilWorking()).finish();
    (await bot.bots.next()).fail(Code.Unavailable);
    await bot.untilAsleep();
    bot.clock.advance(500);
    const again = await bot.bots.next();
    again.answer(lease('a', ACTIVE));
    const oncemore = await bot.bots.next();
    oncemore.answer();

    assert.deepEqual(statesOf(again), ['a COMPLETED']);
    assert.deepEqual(statesOf(oncemore), ['a COMPLETED']);
    assert.deepEqual(statesOf(await bot.bots.next()), []);
  });

  it('takes the next lease from the answer to a report', async () => {
    await bot.connect(lease('a'));
    (await bot.untilWorking()).finish();
    (await bot.bots.next()).answer(lease('b'));

    assert.deepEqual(statesOf(await bot.bots.next()), ['b ACTIVE']);
    assert.equal(String((await bot.untilWorking(2)).digest), String(Digest.of(Buffer.from('b'))));
  });

  it('doubles its delay while the server is unavailable and recovers at once (U2)', async () => {
    let poll = await bot.connect();
    for (const delay of [500, 1000, 2000, 4000, 5000, 5000]) {
      poll.fail(Code.Unavailable);
      await bot.untilAsleep();
      assert.equal(bot.clock.slept.at(-1), delay);
      bot.clock.advance(delay);
      poll = await bot.bots.next();
    }
    poll.answer(lease('a'));
    (await bot.bots.next()).fail(Code.Unavailable);
    await bot.untilAsleep();

    assert.equal(bot.clock.slept.at(-1), 500);
  });

  for (const name of ['Unavailable', 'DeadlineExceeded', 'Cancelled', 'Internal', 'PermissionDenied'] as const) {
    it(`keeps its session and its command when a call ends ${name}`, async () => {
      (await bot.connect(lease('a'))).fail(Code[name]);
      await bot.untilAsleep();
      bot.clock.advance(500);
      const next = await bot.bots.next();

      assert.equal(next.method, 'update');
      assert.equal(next.session.name, 'session');
      assert.deepEqual(statesOf(next), ['a ACTIVE']);
      assert.equal((await bot.untilWorking()).signal.aborted, false);
    });
  }

  for (const name of ['InvalidArgument', 'NotFound'] as const) {
    it(`stops its work and creates a new session when a call ends ${name} (RW-2)`, async () => {
      const report = await bot.connect(lease('a'));
      const work = await bot.untilWorking();
      report.fail(Code[name]);
      await bot.untilAsleep();
      assert.equal(work.signal.aborted, true);
      bot.clock.advance(500);
      const create = await bot.bots.next();

      assert.equal(create.method, 'create');
      assert.deepEqual(create.session.leases ?? [], []);
      assert.equal(bot.connections, 1);
    });
  }

  it('starts the work of a new session only when that of the old one has ended', async () => {
    (await bot.connect(lease('a'))).fail(Code.NotFound);
    const first = await bot.untilWorking();
    await bot.untilAsleep();
    bot.clock.advance(500);
    (await bot.bots.next()).answer(lease('b'));
    assert.deepEqual(statesOf(await bot.bots.next()), ['b ACTIVE']);
    await nextTurn();
    assert.equal(bot.works.length, 1);

    first.fail(new Error('stopped'));

    assert.equal(String((await bot.untilWorking(2)).digest), String(Digest.of(Buffer.from('b'))));
  });

  it('is rejected when the server refuses its first session', async () => {
    (await bot.bots.next()).fail(Code.InvalidArgument);

    await assert.rejects(bot.running, { code: Code.InvalidArgument });
    assert.equal(bot.connections, 0);
  });

  it('waits for a server that is not there yet', async () => {
    (await bot.bots.next()).fail(Code.Unavailable);
    await bot.untilAsleep();
    bot.clock.advance(500);

    assert.equal((await bot.bots.next()).method, 'create');
  });

  it('asks again without a delay when a poll ends without work', async () => {
    const poll = await bot.connect();
    bot.clock.advance(30_000);
    poll.fail(Code.DeadlineExceeded);

    assert.equal((await bot.bots.next()).method, 'update');
    assert.deepEqual(bot.clock.slept, []);
  });

  it('stops the command of a lease that the server cancels, and reports that once', async () => {
    (await bot.connect(lease('a'))).answer(lease('a', CANCELLED));
    const report = await bot.bots.next();
    report.answer(lease('a', CANCELLED));
    const next = await bot.bots.next();

    assert.equal((await bot.untilWorking()).signal.aborted, true);
    assert.deepEqual(statesOf(report), ['a CANCELLED']);
    assert.deepEqual(statesOf(next), []);
  });

  it('stops the command of a lease that the server no longer knows', async () => {
    (await bot.connect(lease('a'))).answer();

    assert.deepEqual(statesOf(await bot.bots.next()), []);
    assert.equal((await bot.untilWorking()).signal.aborted, true);
  });

  it('asks a server that does not hold calls less and less often, until there is news', async () => {
    let poll = await bot.connect();
    for (const delay of [200, 400, 800, 1600, 3200, 5000]) {
      poll.answer();
      if (bot.clock.slept.length === 0 && delay === 200) {
        // The first answer tells nothing about the server's habits: the report before it was another one.
        poll = await bot.bots.next();
        poll.answer();
      }
      await bot.untilAsleep();
      assert.equal(bot.clock.slept.at(-1), delay);
      bot.clock.advance(delay);
      poll = await bot.bots.next();
    }
    poll.answer(lease('a'));

    assert.deepEqual(statesOf(await bot.bots.next()), ['a ACTIVE']);
  });

  it('interrupts such a pause to report', async () => {
    (await bot.connect(lease('a'))).answer(lease('a', ACTIVE));
    (await bot.bots.next()).answer(lease('a', ACTIVE));
    await bot.untilAsleep();

    (await bot.untilWorking()).finish();

    assert.deepEqual(statesOf(await bot.bots.next()), ['a COMPLETED']);
  });
});
