import assert from 'node:assert/strict';
import { platformKeyOf, type OfferedProperties } from '../../src/scheduler/platform.js';
import type { WaitingBot } from '../../src/scheduler/waiting-bot.js';
import { WaitingBots } from '../../src/scheduler/waiting-bots.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { noPlatform, offering } from '../helpers/jobs.js';
import { until } from '../helpers/until.js';

const gpu = platformKeyOf([{ name: 'pool', value: 'gpu' }]);

describe('WaitingBots', () => {
  let clock: FakeClock;
  let line: WaitingBots;
  let woken: string[];

  beforeEach(() => {
    clock = new FakeClock();
    line = new WaitingBots(clock);
    woken = [];
  });

  /** A bot that has looked, found nothing, and sleeps. */
  function sleeper(name: string, offered: OfferedProperties = offering({}), affinityKey?: string): WaitingBot {
    const bot = line.join(name);
    bot.look(offered, affinityKey);
    void bot.wait(1_000, new AbortController().signal).then((reason) => woken.push(`${name}: ${reason}`));
    return bot;
  }

  it('wakes the bot that waits longest, and no other', async () => {
    sleeper('first');
    sleeper('second');

    line.offer(noPlatform);

    await until(() => woken.length > 0);
    assert.deepEqual(woken, ['first: work']);
  });

  it('wakes a bot for each of the jobs', async () => {
    for (const name of ['first', 'second', 'third']) sleeper(name);

    line.offer(noPlatform);
    line.offer(noPlatform);

    await until(() => woken.length > 1);
    assert.deepEqual(woken, ['first: work', 'second: work']);
  });

  it('wakes only a bot that fits', async () => {
    sleeper('plain');
    sleeper('special', offering({ pool: 'gpu' }));

    line.offer(gpu);

    await until(() => woken.length > 0);
    assert.deepEqual(woken, ['special: work']);
  });

  it('has a bot look again that was looking when the job came', async () => {
    const bot = line.join('bot');
    bot.look(offering({}));

    line.offer(noPlatform);

    assert.equal(await bot.wait(1_000, new AbortController().signal), 'work');
  });

  it('passes a job on when the bot that it woke leaves without having looked', async () => {
    const first = sleeper('first');
    sleeper('second');
    line.offer(noPlatform);

    first[Symbol.dispose]();

    await until(() => woken.length > 1);
    assert.deepEqual(woken, ['first: work', 'second: work']);
  });

  it('passes nothing on when the bot has looked', async () => {
    const first = sleeper('first');
    sleeper('second');
    line.offer(noPlatform);
    await until(() => woken.length > 0);
    first.look(offering({}));

    first[Symbol.dispose]();

    clock.advance(1_000);
    await until(() => woken.length > 1);
    assert.deepEqual(woken, ['first: work', 'second: time']);
  });

  it('tells a bot of news, also when they came before it slept', async () => {
    const early = line.join('early');
    line.notify('early');
    sleeper('late');
    line.notify('late');

    assert.equal(await early.wait(1_000, new AbortController().signal), 'session');
    await until(() => woken.length > 0);
    assert.deepEqual(woken, ['late: session']);
  });

  it('has all look again that were looking when the job came, and nobody who looked since', async () => {
    const [early, late] = [line.join('early'), line.join('late')];
    early.look(offering({}));
    line.offer(noPlatform);
    late.look(offering({}));
    void late.wait(1_000, new AbortController().signal).then((reason) => woken.push(`late: ${reason}`));

    assert.equal(await early.wait(1_000, new AbortController().signal), 'work');
    clock.advance(1_000);
    await until(() => woken.length > 0);
    assert.deepEqual(woken, ['late: time']);
  });

  it('takes whoever fell asleep first, of all that fit, whatever else they offer', async () => {
    sleeper('special', offering({ pool: 'gpu' }));
    sleeper('plain');

    line.offer(noPlatform);
    line.offer(noPlatform);

    await until(() => woken.length > 1);
    assert.deepEqual(woken, ['special: work', 'plain: work']);
  });

  it('prefers the bot that had the same target last, and takes another when there is none', async () => {
    sleeper('first');
    sleeper('second', offering({}), '//target');

    line.offer(noPlatform, '//target');
    await until(() => woken.length > 0);
    line.offer(noPlatform, '//target');

    await until(() => woken.length > 1);
    assert.deepEqual(woken, ['second: work', 'first: work']);
  });

  it('prefers no bot that does not fit', async () => {
    sleeper('plain', offering({}), '//target');
    sleeper('special', offering({ pool: 'gpu' }));

    line.offer(gpu, '//target');

    await until(() => woken.length > 0);
    assert.deepEqual(woken, ['special: work']);
  });

  it('wakes each of 10,000 bots for one of 10,000 jobs', async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `bot ${index}`);
    for (const name of names) sleeper(name);

    names.forEach(() => line.offer(noPlatform));

    await until(() => woken.length === names.length);
    assert.deepEqual(
      woken,
      names.map((name) => `${name}: work`),
    );
  });
});
