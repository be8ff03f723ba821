import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { Progress } from '../../src/cli/progress.js';

describe('Progress', () => {
  let now = 0;

  /** A terminal of 20 columns, or none, that remembers what is written. */
  function screen(isTTY: boolean): NodeJS.WriteStream {
    return Object.assign(new PassThrough({ encoding: 'utf8' }), {
      isTTY,
      columns: 20,
    }) as unknown as NodeJS.WriteStream;
  }
  const written = (stream: NodeJS.WriteStream): string => String((stream as unknown as PassThrough).read() ?? '');

  it('shows one line on a terminal, cut to its width, and takes it away', () => {
    const stream = screen(true);

    new Progress(stream).show('a text that is longer than the terminal');
    assert.equal(written(stream), '\r\u001B[2Ka text that is long');

    const progress = new Progress(stream);
    progress.show('short');
    progress[Symbol.dispose]();
    assert.equal(written(stream), '\r\u001B[2Kshort\r\u001B[2K');
  });

  it('is silent elsewhere, but for what it says', () => {
    const stream = screen(false);
    const progress = new Progress(stream);

    progress.show('executing');
    progress.say('queued');
    progress.clear();

    assert.equal(written(stream), 'queued\n');
  });

  it('shows states no more often than every 100 ms', () => {
    const stream = screen(true);
    const show = new Progress(stream, () => now).showing((count: number) => `${count}`);

    for (const [at, count] of [
      [1_000, 1],
      [1_099, 2],
      [1_100, 3],
    ] as const) {
      now = at;
      show(count);
    }

    assert.deepEqual(written(stream).split('\r\u001B[2K'), ['', '1', '3']);
  });
});
