import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { QueueNotice } from '../../src/cli/queue-notice.js';
import { FakeClock } from '../helpers/fake-clock.js';

describe('QueueNotice', () => {
  let clock: FakeClock;
  let said: number;
  let notice: QueueNotice;

  beforeEach(() => {
    clock = new FakeClock();
    said = 0;
    notice = new QueueNotice(() => void (said += 1), clock);
  });
  afterEach(() => notice[Symbol.dispose]());

  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    await turn();
  }

  it('tells after 3 s in the queue, and only once', async () => {
    notice.see('QUEUED');
    notice.see('QUEUED');
    await pass(2_999);
    assert.equal(said, 0);

    await pass(1);
    notice.see('QUEUED');
    await pass(10_000);

    assert.equal(said, 1);
  });

  it('is silent when a bot takes the action in time', async () => {
    notice.see('QUEUED');
    await pass(2_000);
    notice.see('EXECUTING');
    await pass(10_000);

    assert.equal(said, 0);
  });

  it('starts anew when an action comes back to the queue', async () => {
    notice.see('QUEUED');
    notice.see('EXECUTING');
    notice.see('QUEUED');
    await pass(3_000);

    assert.equal(said, 1);
  });

  it('tells why, as it was told last', async () => {
    const reasons: (string | undefined)[] = [];
    using telling = new QueueNotice((why) => void reasons.push(why), clock);
    telling.see('QUEUED');
    await pass(2_000);
    telling.see('QUEUED', 'no bot offers it');
    await pass(1_000);

    assert.deepEqual(reasons, ['no bot offers it']);
  });

  it('leaves no timer behind', () => {
    notice.see('QUEUED');

    notice[Symbol.dispose]();

    assert.equal(clock.sleepers, 0);
  });
});
