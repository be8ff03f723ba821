import { randomInt } from 'node:crypto';
import fc from 'fast-check';

/** Whether this is `npm run test:long`: what is tried at random is tried as often as a release asks for. */
export const isLong = process.env['BGD_LONG'] === '1';

/** What all that is random in this run follows from. `BGD_SEED` repeats a run. */
export const seed = Number(process.env['BGD_SEED'] ?? randomInt(2 ** 31));

/** How often to try: `usual` times in the suite, `long` times in the long run. */
export function times(usual: number, long: number): number {
  return isLong ? long : usual;
}

/** For a suite with a {@link Dice}: tells with each test that fails how to repeat it. */
export function tellSeed(): void {
  afterEach(function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(`Repeat with BGD_SEED=${seed}\n`);
  });
}

/**
 * Checks `property` until it has been tried over `wanted` steps in all. fast-check tells the seed of what fails; only a
 * run that repeats one looks for a shorter way to it, for a minute.
 */
export async function checkOver(
  wanted: number,
  property: (onStep: () => void) => fc.IAsyncPropertyWithHooks<[unknown]>,
): Promise<void> {
  const isRepeated = process.env['BGD_SEED'] !== undefined;
  let steps = 0;
  for (let round = 0; steps < wanted; round += 1) {
    const checked = property(() => (steps += 1));
    const effort = isRepeated ? { interruptAfterTimeLimit: 60_000 } : { endOnFailure: true };
    await fc.assert(checked, { seed: seed + round, numRuns: 5, ...effort });
  }
}

/** Random numbers that follow from {@link seed} and a name, so that suites do not depend on each other. */
export class Dice {
  #state: number;

  constructor(name: string) {
    this.#state = Buffer.from(name).reduce((sum, byte) => Math.imul(sum, 31) + byte, seed) >>> 0;
  }

  /** Evenly from [0, 1). This is mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `min` to `max`, both possible. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  /** Bytes that nobody has seen before, and that zstd can make somewhat smaller. */
  bytes(sizeBytes: number): Buffer {
    const bytes = Buffer.alloc(sizeBytes);
    for (let offset = 0; offset + 4 <= sizeBytes; offset += 8) bytes.writeUInt32LE(this.int(0, 2 ** 32 - 1), offset);
    for (let offset = sizeBytes & ~3; offset < sizeBytes; offset += 1) bytes[offset] = this.int(0, 255);
    return bytes;
  }
}
