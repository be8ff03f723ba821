import assert from 'node:assert/strict';
import { localityDelayMs, orderHeads, type QueueHead } from '../../src/scheduler/claim-order.js';

let seq = 0;

function head(rank: number, more: Partial<QueueHead> = {}): QueueHead {
  seq += 1;
  return { platformKey: '[]', rank, seq, queuedAtMs: 0, ...more };
}

describe('orderHeads', () => {
  it('sorts by rank, then by arrival', () => {
    const [first, second, third] = [head(1), head(1), head(0.5)];

    assert.deepEqual(orderHeads([second, first, third], { turn: 0 }, 0), [third, first, second]);
  });

  it('gives each platform a turn now and then, however far apart their ranks are', () => {
    const heads = ['a', 'b', 'c'].map((platformKey, index) => head(index * 1_000_000, { platformKey }));
    const firsts = Array.from({ length: 17 * 3 }, (_, turn) => orderHeads(heads, { turn }, 0)[0]?.platformKey);

    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => firsts.filter((first) => first === key).length),
      [49, 1, 1],
    );
  });

  it('prefers a job of the target that the bot had last', () => {
    const [first, local] = [head(1), head(2, { affinityKey: '//a' })];

    assert.deepEqual(orderHeads([first, local], { turn: 0, affinityKey: '//a' }, localityDelayMs - 1), [local, first]);
  });

  it('keeps the order once the first job waits', () => {
    const [first, local] = [head(1), head(2, { affinityKey: '//a' })];

    assert.deepEqual(orderHeads([first, local], { turn: 0, affinityKey: '//a' }, localityDelayMs), [first, local]);
  });

  it('keeps the order when the other job is due much later', () => {
    const [first, local] = [head(1), head(2.5, { affinityKey: '//a' })];

    assert.deepEqual(orderHeads([first, local], { turn: 0, affinityKey: '//a' }, 0), [first, local]);
  });

  it('prefers nothing for a bot that ran nothing', () => {
    const [first, unknown] = [head(1, { affinityKey: '//a' }), head(2)];

    assert.deepEqual(orderHeads([first, unknown], { turn: 0 }, 0), [first, unknown]);
  });
});
