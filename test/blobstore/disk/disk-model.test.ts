import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Blob, BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { DiskBlobStore } from '../../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { Code } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import { Digest } from '../../../src/digest/digest.js';
import { BLAKE3, SHA1, SHA256, loadDigestFunctions } from '../../../src/digest/digest-function.js';
import { checkOver, times } from '../../helpers/chance.js';
import { chunks } from '../../helpers/chunks.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

const functions = [SHA256, SHA1, BLAKE3];
const promiseMs = 30 * 60_000;

/** A blob for each number: of different functions, some of them small and some files of their own. */
function numbered(number: number): Blob {
  const isLarge = number % 25 === 24;
  const sizeBytes = isLarge ? 66_000 + number * 50 : 1 + ((number * 7919) % 5000);
  const data = Buffer.alloc(sizeBytes, `blob ${number} `);
  // A function's first file costs the making of 256 folders.
  return { digest: Digest.of(data, isLarge ? SHA256 : functions[number % functions.length]), data };
}

type Step =
  | { readonly type: 'write' | 'read' | 'delete' | 'quarantine' | 'hold' | 'release'; readonly number: number }
  | { readonly type: 'batch' | 'promise'; readonly numbers: readonly number[] }
  | { readonly type: 'wait'; readonly minutes: number }
  | {
      readonly type: 'restart';
      readonly isOrderly: boolean;
      readonly losesUses: boolean;
      readonly losesHints: boolean;
    };

const lastNumber = 250;
const number = fc.nat(lastNumber);
const fewNumbers = fc.uniqueArray(number, { maxLength: 12, size: 'max' });
const manyNumbers = fc.uniqueArray(number, { maxLength: 60, size: 'max' });
const one = (type: 'write' | 'read' | 'delete' | 'quarantine' | 'hold' | 'release'): fc.Arbitrary<Step> =>
  fc.record({ type: fc.constant(type), number });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: one('write') },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('batch' as const), numbers: manyNumbers }) },
  { weight: 6, arbitrary: one('read') },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('promise' as const), numbers: fewNumbers }) },
  { weight: 2, arbitrary: one('delete') },
  { weight: 1, arbitrary: one('quarantine') },
  { weight: 1, arbitrary: one('hold') },
  { weight: 1, arbitrary: one('release') },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), minutes: fc.nat(12) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('restart' as const),
      isOrderly: fc.boolean(),
      losesUses: fc.boolean(),
      losesHints: fc.boolean(),
    }),
  },
);

/** What is known of a blob that was written and not deleted. */
interface Known {
  promisedUntilMs: number;
}

/** A client of a store that knows what it may expect. */
class Client {
  readonly #root: string;
  readonly #maxBytes: number;
  readonly #clock = new FakeClock();
  readonly #known = new Map<number, Known>();
  readonly #held = new Map<number, AsyncIterator<Uint8Array>>();
  #path: string;
  #store: DiskBlobStore | undefined;
  #starts = 0;

  constructor(root: string, maxBytes: number) {
    this.#root = root;
    this.#maxBytes = maxBytes;
    this.#path = join(root, 'cas');
  }

  async start(): Promise<void> {
    this.#store = await DiskBlobStore.open({ path: this.#path, maxBytes: this.#maxBytes, clock: this.#clock });
  }

  async stop(): Promise<void> {
    for (const reader of this.#held.values()) await reader.return?.();
    this.#held.clear();
    await this.#store?.[Symbol.asyncDispose]();
  }

  async take(each: Step): Promise<void> {
    this.#clock.advance(2_000); // After a round of eviction that brought too little there is a pause.
    if (each.type === 'wait') this.#clock.advance(each.minutes * 60_000);
    else if (each.type === 'restart') await this.#restart(each);
    else if ('numbers' in each) await this.#takeMany(each.type, each.numbers);
    else await this.#takeOne(each.type, each.number);
  }

  /** Compares the whole store with what is known. */
  async check(): Promise<void> {
    const listed = new Set<string>();
    for await (const digest of this.#store!.list()) {
      assert.ok(!listed.has(digest.key), 'A blob is listed twice');
      listed.add(digest.key);
    }
    for (let each = 0; each <= lastNumber; each += 1) await this.#read(each);
  }

  async #takeMany(type: 'batch' | 'promise', chosen: readonly number[]): Promise<void> {
    const blobs = chosen.map(numbered);
    if (type === 'batch') {
      const outcomes = await this.#store!.writeBatch(blobs);
      for (const [index, each] of chosen.entries()) this.#noteWritten(each, outcomes[index]);
      return;
    }
    const missing = new Set((await this.#store!.findMissing(blobs.map(({ digest }) => digest))).map(({ key }) => key));
    for (const [index, each] of chosen.entries()) this.#noteFound(each, !missing.has(blobs[index]!.digest.key));
  }

  async #takeOne(type: Exclude<Step['type'], 'batch' | 'promise' | 'wait' | 'restart'>, chosen: number): Promise<void> {
    const { digest, data } = numbered(chosen);
    if (type === 'write') {
      const failure = await this.#store!.write(digest, chunks(data)).catch((reason: unknown) =>
        StatusError.from(reason),
      );
      this.#noteWritten(chosen, failure ?? undefined);
    } else if (type === 'read') await this.#read(chosen);
    else if (type === 'quarantine') await this.#store!.quarantine(digest);
    else if (type === 'delete') {
      await this.#store!.delete([digest]);
      this.#known.delete(chosen);
    } else if (type === 'hold') await this.#hold(chosen);
    else await this.#release(chosen);
  }

  #noteWritten(chosen: number, failure: StatusError | undefined): void {
    if (failure) {
      assert.equal(failure.code, Code.ResourceExhausted);
      assert.ok(!this.#mustBeThere(chosen), 'A blob was refused that is there');
      this.#known.delete(chosen);
    } else {
      const { promisedUntilMs = 0 } = this.#known.get(chosen) ?? {};
      this.#known.set(chosen, { promisedUntilMs });
    }
  }

  #noteFound(chosen: number, isFound: boolean): void {
    const known = this.#known.get(chosen);
    if (isFound) {
      assert.ok(known, 'A blob is there that was never written, or deleted');
      known.promisedUntilMs = this.#clock.now() + promiseMs;
    } else assert.ok(!this.#mustBeThere(chosen), 'A blob is gone');
  }

  #mustBeThere(chosen: number): boolean {
    const known = this.#known.get(chosen);
    if (!known) return false;
    return this.#maxBytes > 10_000_000 || known.promisedUntilMs > this.#clock.now();
  }

  async #read(chosen: number): Promise<void> {
    const { digest, data } = numbered(chosen);
    const found = await readBlob(this.#store!, digest).catch((reason: unknown) => {
      if (reason instanceof BlobNotFoundError) return undefined;
      throw reason;
    });
    if (found) assert.ok(found.equals(data), 'A blob has other bytes');
    if (found) assert.ok(this.#known.has(chosen), 'A blob is there that was never written, or deleted');
    else assert.ok(!this.#mustBeThere(chosen), 'A blob is gone');
  }

  /** Begins to read, and goes on some time later. */
  async #hold(chosen: number): Promise<void> {
    await this.#release(chosen);
    const { digest } = numbered(chosen);
    const reader = this.#store!.read(digest, { offset: 1 })[Symbol.asyncIterator]();
    this.#held.set(chosen, reader);
  }

  async #release(chosen: number): Promise<void> {
    const reader = this.#held.get(chosen);
    if (!reader) return;
    this.#held.delete(chosen);
    const found = await collectBytes({ [Symbol.asyncIterator]: () => reader }).catch(() => undefined);
    if (found) assert.ok(found.equals(numbered(chosen).data.subarray(1)), 'A blob has other bytes');
  }

  async #restart({ isOrderly, losesUses, losesHints }: Extract<Step, { type: 'restart' }>): Promise<void> {
    if (isOrderly) {
      await this.stop();
    } else {
      // What a crash leaves is what stands in the files at this moment.
      this.#starts += 1;
      const crashed = join(this.#root, `crashed-${this.#starts}`);
      await copyLive(this.#path, crashed);
      await this.stop();
      await rm(this.#path, { recursive: true });
      this.#path = crashed;
    }
    if (losesUses) await rm(join(this.#path, 'uses'), { force: true });
    if (losesHints) await rm(join(this.#path, 'packs', '00000001.hint'), { force: true });
    if (!isOrderly || losesUses) for (const known of this.#known.values()) known.promisedUntilMs = 0;
    await this.start();
  }
}

/** Copies a folder that is in use; files may come and go. */
async function copyLive(from: string, to: string): Promise<void> {
  for (;;) {
    try {
      await cp(from, to, { recursive: true, filter: (path) => !path.endsWith('lock') });
      return;
    } catch (reason) {
      if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw reason;
      await rm(to, { recursive: true, force: true });
    }
  }
}

describe('DiskBlobStore under random operations', function () {
  this.timeout(1_200_000);

  before(loadDigestFunctions);

  for (const [what, maxBytes] of [
    ['has all that was written and not deleted, also after crashes, and all of it right', 1_000_000_000],
    ['keeps what it has promised while it must evict, and all of it right', 350_000],
  ] as const) {
    it(what, () =>
      checkOver(times(300, 25_000), (onStep) =>
        fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 100, size: 'max' }), async (steps) => {
          await using directory = await temporaryDirectory();
          const client = new Client(directory.path, maxBytes);
          await client.start();
          try {
            for (const each of steps) {
              await client.take(each);
              onStep();
            }
            await client.check();
            await client.take({ type: 'restart', isOrderly: true, losesUses: false, losesHints: false });
            await client.check();
          } finally {
            await client.stop();
          }
        }),
      ),
    );
  }
});
