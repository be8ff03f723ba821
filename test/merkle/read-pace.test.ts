import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { ReadPace } from '../../src/merkle/read-pace.js';

describe('ReadPace', () => {
  it('reads at once while that is quick, whatever a busy machine delays now and then', async () => {
    const pace = new ReadPace();

    for (let index = 0; index < 10_000; index += 1) {
      assert.ok(pace.isQuick());
      await pace.took(index % 10 === 0 ? 20 : 0.02);
    }
  });

  it('does not while a disk is waited for, and tries again later', async () => {
    const pace = new ReadPace();
    let [quick, slow] = [0, 0];

    for (let index = 0; index < 10_000; index += 1) {
      if (!pace.isQuick()) {
        slow += 1;
      } else {
        quick += 1;
        await pace.took(5);
      }
    }

    assert.ok(slow > 9_900, `${quick} reads of 10,000 were waited for`);
    assert.ok(quick > 16, `${quick} reads of 10,000 were tried`);
  });

  it('lets others have the event loop between reads that never wait', async () => {
    const pace = new ReadPace();
    let turns = 0;
    let isOver = false;
    const others = (async () => {
      for (; !isOver; turns += 1) await turn();
    })();

    const end = performance.now() + 100;
    while (performance.now() < end) await pace.took(0);
    isOver = true;
    await others;

    assert.ok(turns >= 5, `Others had ${turns} turns in 100 ms`);
  });
});
