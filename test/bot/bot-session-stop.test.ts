import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Code } from '../../src/common/code.js';
import { rwapi } from '../../src/proto/index.js';
import { SessionHarness, lease, statesOf } from './session-harness.js';

const { ACTIVE } = rwapi.LeaseState;
const { BOT_TERMINATING } = rwapi.BotStatus;

describe('BotSessionLoop that is stopped', () => {
  let bot: SessionHarness;

  beforeEach(() => {
    bot = new SessionHarness();
  });

  afterEach(() => bot.end());

  describe('when it drains', () => {
    it('hangs up its poll, says goodbye and ends', async () => {
      const poll = await bot.connect();
      bot.drain.abort();
      const farewell = await bot.bots.next();
      farewell.answer();
      await bot.running;

      assert.equal(poll.isAborted, true);
      assert.equal(farewell.session.status, BOT_TERMINATING);
    });

    it('ends although nobody hears its goodbye', async () => {
      await bot.connect();
      bot.drain.abort();
      (await bot.bots.next()).fail(Code.Unavailable);

      await bot.running;
    });

    it('gives up its last report when nobody has heard it for 30 s', async () => {
      await bot.connect(lease('a'));
      (await bot.untilWorking()).finish();
      (await bot.bots.next()).fail(Code.Unavailable);
      bot.drain.abort();
      let tries = 0;
      for (;;) {
        const call = await Promise.race([bot.bots.next(), bot.running]);
        if (!call) break;
        tries += 1;
        call.fail(Code.Unavailable);
        await bot.untilAsleepOrOver();
        bot.clock.advance(5_000);
      }

      assert.ok(tries >= 6, `It has tried ${tries} times only`);
    });

    it('takes no lease that it is still offered', async () => {
      await bot.connect();
      bot.drain.abort();
      (await bot.bots.next()).answer(lease('late'));
      await bot.running;

      assert.equal(bot.works.length, 0);
    });

    it('finishes its work, keeps the session alive meanwhile, reports and ends', async () => {
      await bot.connect(lease('a'));
      bot.drain.abort();
      const meanwhile = await bot.bots.next();
      meanwhile.answer(lease('a', ACTIVE));
      await bot.bots.next();
      (await bot.untilWorking()).finish();
      const report = await bot.bots.next();
      report.answer();
      await bot.running;

      assert.equal(meanwhile.session.status, BOT_TERMINATING);
      assert.deepEqual(statesOf(meanwhile), ['a ACTIVE']);
      assert.equal(report.session.status, BOT_TERMINATING);
      assert.deepEqual(statesOf(report), ['a COMPLETED']);
    });

    it('loses no report when the server is away just then', async () => {
      await bot.connect(lease('a'));
      bot.drain.abort();
      await bot.bots.next();
      (await bot.untilWorking()).finish();
      (await bot.bots.next()).fail(Code.Unavailable);
      await bot.untilAsleep();
      bot.clock.advance(500);
      const again = await bot.bots.next();
      again.answer();
      await bot.running;

      assert.deepEqual(statesOf(again), ['a COMPLETED']);
    });

    it('ends at once while it waits for a server that was never there', async () => {
      (await bot.bots.next()).fail(Code.Unavailable);
      await bot.untilAsleep();
      bot.drain.abort();

      await bot.running;
    });
  });

  describe('when it is cancelled', () => {
    it('stops its work, gives the lease back and ends', async () => {
      await bot.connect(lease('a'));
      const work = await bot.untilWorking();
      bot.cancel.abort();
      while (!work.signal.aborted) await nextTurn();
      work.fail(new Error('stopped'));
      const report = await bot.bots.next();
      report.answer();
      await bot.running;

      assert.deepEqual(statesOf(report), ['a COMPLETED']);
      assert.equal(report.session.leases![0]?.status?.code, Code.Unavailable);
      assert.equal(report.session.status, BOT_TERMINATING);
    });

    it('ends although nobody hears of it', async () => {
      await bot.connect(lease('a'));
      const work = await bot.untilWorking();
      bot.drain.abort();
      await bot.bots.next();
      bot.cancel.abort();
      while (!work.signal.aborted) await nextTurn();
      work.fail(new Error('stopped'));
      (await bot.bots.next()).fail(Code.Unavailable);

      await bot.running;
    });
  });
});
