import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Blob } from '../../../src/blobstore/blob-store.js';
import { PackFolder } from '../../../src/blobstore/packs/pack-folder.js';
import type { PackPlace } from '../../../src/blobstore/packs/pack-place.js';
import { BLAKE3, SHA1, SHA256, loadDigestFunctions } from '../../../src/digest/digest-function.js';
import { checkOver, times } from '../../helpers/chance.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { blobOf, filesIn, listed } from './pack-bench.js';

const functions = [SHA256, SHA1, BLAKE3];

/** A blob for each number: of different functions, and of sizes up to a good part of a segment. */
function numbered(number: number): Blob {
  return blobOf(`blob ${number} `.padEnd(1 + ((number * 211) % 700), '.'), functions[number % functions.length]);
}

type Step =
  | { readonly type: 'append'; readonly numbers: readonly number[] }
  | { readonly type: 'forget'; readonly number: number }
  | { readonly type: 'drop'; readonly segment: number }
  | { readonly type: 'restart'; readonly isOrderly: boolean; readonly losesHints: boolean; readonly tornBytes: number };

const number = fc.integer({ min: 0, max: 20 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('append' as const), numbers: fc.array(number, { maxLength: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('forget' as const), number }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('drop' as const), segment: fc.nat({ max: 50 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('restart' as const),
      isOrderly: fc.boolean(),
      losesHints: fc.boolean(),
      tornBytes: fc.constantFrom(0, 4, 5000),
    }),
  },
);

/** A caller of a PackFolder, with an index that is right by itself. */
class Caller {
  readonly #root: string;
  readonly #index = new Map<string, { readonly blob: Blob; readonly place: PackPlace }>();
  #path: string;
  #folder: PackFolder | undefined;
  #starts = 0;

  constructor(root: string) {
    this.#root = root;
    this.#path = join(root, 'packs');
  }

  async start(): Promise<void> {
    this.#folder = await PackFolder.open({ path: this.#path, maxSegmentBytes: 2048 });
    const expected = new Map([...this.#index].map(([key, { place }]) => [key, place]));
    assert.deepEqual(await listed(this.#folder), expected);
    for (const { blob, place } of this.#index.values()) {
      assert.deepEqual(await this.#folder.read(place, blob.data.length), blob.data);
    }
  }

  async stop(): Promise<void> {
    await this.#folder?.[Symbol.asyncDispose]();
  }

  async take(each: Step): Promise<void> {
    await this.#take(each);
    const folder = this.#folder!;
    assert.equal(
      folder.fileBytes,
      folder.segments().reduce((sum, { fileBytes }) => sum + fileBytes, 0),
    );
  }

  async #take(each: Step): Promise<void> {
    if (each.type === 'append') await this.#append(each.numbers.map(numbered));
    else if (each.type === 'forget') await this.#forget(numbered(each.number));
    else if (each.type === 'drop') await this.#drop(each.segment);
    else await this.#restart(each);
  }

  /** Two calls at once, as from two clients. */
  async #append(blobs: readonly Blob[]): Promise<void> {
    const distinct = [...new Map(blobs.map((blob) => [blob.digest.key, blob])).values()];
    const calls = [distinct.slice(0, 2), distinct.slice(2)];
    await Promise.all(
      calls.map(async (call) => {
        const places = await this.#folder!.append(call);
        const older = call.flatMap(({ digest }) => this.#index.get(digest.key) ?? []);
        for (const [index, blob] of call.entries()) this.#index.set(blob.digest.key, { blob, place: places[index]! });
        await this.#folder!.forget(older.map(({ blob, place }) => ({ digest: blob.digest, place })));
      }),
    );
  }

  async #forget({ digest }: Blob): Promise<void> {
    const entry = this.#index.get(digest.key);
    if (!entry) return;
    this.#index.delete(digest.key);
    await this.#folder!.forget([{ digest, place: entry.place }]);
  }

  async #drop(choice: number): Promise<void> {
    const segments = this.#folder!.segments();
    const segment = segments[choice % segments.length]?.number ?? 0;
    const owed = [...this.#index.values()].filter(({ place }) => place.segment === segment).map(({ blob }) => blob);
    // What it owes must not end up in itself.
    if (segments.at(-1)?.number === segment && owed.length > 0) return;
    const places = await this.#folder!.append(owed);
    for (const [index, blob] of owed.entries()) this.#index.set(blob.digest.key, { blob, place: places[index]! });
    await this.#folder!.drop(segment);
  }

  async #restart({ isOrderly, losesHints, tornBytes }: Extract<Step, { type: 'restart' }>): Promise<void> {
    if (isOrderly) {
      await this.stop();
    } else {
      // What a crash leaves is what stands in the files at this moment.
      this.#starts += 1;
      const crashed = join(this.#root, `crashed-${this.#starts}`);
      await copyFiles(this.#path, crashed);
      await this.stop();
      this.#path = crashed;
      const last = (await filesIn(crashed, '.pack')).at(-1);
      if (last !== undefined) await appendFile(last, Buffer.alloc(tornBytes));
    }
    if (losesHints) for (const hint of (await filesIn(this.#path, '.hint')).slice(0, 2)) await rm(hint);
    await this.start();
  }
}

/** Copies what is there; a hint that is just being written may be in it or not. */
async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const name of await readdir(from)) {
    await copyFile(join(from, name), join(to, name)).catch((reason: unknown) => {
      if (name.endsWith('.pack')) throw reason;
    });
  }
}

describe('PackFolder under random operations', function () {
  this.timeout(600_000);

  before(loadDigestFunctions);

  it('delivers after each start exactly what was appended, and neither forgotten nor dropped', () =>
    checkOver(times(600, 20_000), (onStep) =>
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        await using directory = await temporaryDirectory();
        const caller = new Caller(directory.path);
        await caller.start();
        try {
          for (const each of steps) {
            await caller.take(each);
            onStep();
          }
          await caller.take({ type: 'restart', isOrderly: true, losesHints: false, tornBytes: 0 });
        } finally {
          await caller.stop();
        }
      }),
    ));
});
