import assert from 'node:assert/strict';
import { collectBytes } from '../../src/common/async-iteration.js';
import { TrailingCopy } from '../../src/common/trailing-copy.js';
import { chunks } from '../helpers/chunks.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { until } from '../helpers/until.js';

describe('TrailingCopy', () => {
  /** A taker that keeps what it got once all of it has come. */
  function taker(): { take: (content: AsyncIterable<Uint8Array>) => Promise<void>; taken: () => string | undefined } {
    let taken: string | undefined;
    return {
      take: async (content) => {
        taken = String(await collectBytes(content));
      },
      taken: () => taken,
    };
  }

  it('gives the taker what the reader got', async () => {
    const { take, taken } = taker();
    const copy = new TrailingCopy(take);

    assert.equal(String(await collectBytes(copy.passing(chunks('ab', 'c')))), 'abc');
    await copy.end(true);

    assert.equal(taken(), 'abc');
  });

  it('breaks off when the original was no good, was not read to its end, or has failed', async () => {
    for (const spoil of [spoiledByEnd, spoiledByBreak, spoiledByFailure]) {
      const { take, taken } = taker();
      const copy = new TrailingCopy(take);

      await spoil(copy);

      assert.equal(taken(), undefined, spoil.name);
    }
  });

  it('tells of a taker that fails, and goes on without it', async () => {
    const failures: unknown[] = [];
    const copy = new TrailingCopy(() => Promise.reject(new Error('full')), {
      onFailure: (reason) => failures.push(reason),
      maxLagBytes: 1,
    });

    assert.equal(String(await collectBytes(copy.passing(chunks('ab', 'cd', 'ef')))), 'abcdef');
    await copy.end(true);

    assert.match(String(failures), /full/);
  });

  it('waits for a taker that lags behind, and leaves it after the time of its patience', async () => {
    const clock = new FakeClock();
    let broke: unknown;
    const stalled = new TrailingCopy(
      async (content) => {
        const iterator = content[Symbol.asyncIterator]();
        await iterator.next();
        await clock.sleep(10_000);
        await iterator.next().catch((reason: unknown) => (broke = reason));
      },
      { maxLagBytes: 3, patienceMs: 1_000, clock },
    );

    const reading = collectBytes(stalled.passing(chunks('ab', 'cd', 'ef')));
    await until(() => clock.slept.includes(1_000));
    clock.advance(1_000);

    assert.equal(String(await reading), 'abcdef');
    clock.advance(10_000);
    await stalled.end(true);
    assert.match(String(broke), /broken off/);
  });
});

async function spoiledByEnd(copy: TrailingCopy): Promise<void> {
  await collectBytes(copy.passing(chunks('ab')));
  await copy.end(false);
}

async function spoiledByBreak(copy: TrailingCopy): Promise<void> {
  for await (const chunk of copy.passing(chunks('ab', 'c'))) if (chunk.length > 0) break;
  await copy.end(true);
}

async function spoiledByFailure(copy: TrailingCopy): Promise<void> {
  const source = (async function* () {
    yield Buffer.from('ab');
    throw new Error('broken');
  })();
  await assert.rejects(collectBytes(copy.passing(source)));
  await copy.end(true);
}
