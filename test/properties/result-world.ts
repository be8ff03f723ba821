import assert from 'node:assert/strict';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import type { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { BlobNotFoundError, type BlobStore } from '../../src/blobstore/blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { DiskKeyedStore } from '../../src/keyedstore/backends/disk-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { FakeClock } from '../helpers/fake-clock.js';

/** How long the outputs of an answer stay. */
const promiseMs = 30 * 60_000;

const blobOf = (data: Uint8Array): { data: Buffer; digest: Digest } => ({
  data: Buffer.from(data),
  digest: Digest.of(data),
});

const files = [10, 500, 20_000, 65_000, 70_000, 150_000].map((size, index) => blobOf(Buffer.alloc(size, index + 1)));
const nodes = (...numbers: readonly number[]): reapi.FileNode.$Properties[] =>
  numbers.map((number) => ({ name: `f${number}`, digest: files[number]!.digest.toProto() }));
const outputs = (...numbers: readonly number[]): reapi.OutputFile.$Properties[] =>
  numbers.map((number) => ({ path: `f${number}`, digest: files[number]!.digest.toProto() }));

const child: reapi.Directory.$Properties = { files: nodes(1, 4) };
const childBlob = blobOf(reapi.Directory.encode(child).finish());
const root: reapi.Directory.$Properties = {
  files: nodes(0),
  directories: [{ name: 'child', digest: childBlob.digest.toProto() }],
};
const rootBlob = blobOf(reapi.Directory.encode(root).finish());
const treeBlob = blobOf(reapi.Tree.encode({ root, children: [child] }).finish());
const inline = blobOf(Buffer.from('written to stdout'));

const universe = [...files, childBlob, rootBlob, treeBlob, inline];

interface Result {
  readonly message: reapi.ActionResult.$Properties;
  /** All that an answer promises. */
  readonly needs: readonly (typeof universe)[number][];
}

const results: Readonly<Record<string, Result>> = {
  none: { message: {}, needs: [] },
  files: { message: { outputFiles: outputs(0, 2, 5) }, needs: [files[0]!, files[2]!, files[5]!] },
  more: { message: { outputFiles: outputs(3, 4) }, needs: [files[3]!, files[4]!] },
  tree: {
    message: { outputDirectories: [{ path: 'd', treeDigest: treeBlob.digest.toProto() }] },
    needs: [treeBlob, files[0]!, files[1]!, files[4]!],
  },
  directory: {
    message: { outputDirectories: [{ path: 'd', rootDirectoryDigest: rootBlob.digest.toProto() }] },
    needs: [rootBlob, childBlob, files[0]!, files[1]!, files[4]!],
  },
  inline: { message: { stdoutRaw: inline.data, outputFiles: outputs(1) }, needs: [inline, files[1]!] },
};

/** The blobs and results that steps name by their place. */
export const blobNames = universe.map(({ digest }) => digest.key);
export const resultNames = Object.keys(results);

/** A result, with its outputs before or without them. */
interface Storing {
  readonly kind: 'store' | 'update';
  readonly action: number;
  readonly result: number;
}

/** What a client does; results, actions and blobs by their place. */
export type Operation =
  | { readonly kind: 'upload' | 'lose'; readonly blobs: readonly number[] }
  | Storing
  | { readonly kind: 'get' | 'forget'; readonly action: number }
  /** Uploads of blobs that nobody has seen before. */
  | { readonly kind: 'flood'; readonly count: number };

/** Something that happens. */
export type Step =
  | { readonly kind: 'do'; readonly operation: Operation }
  | { readonly kind: 'together'; readonly operations: readonly Operation[] }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'restart' };

/** How a {@link ResultWorld} is made. */
export interface ResultWorldOptions {
  readonly openBlobs: (clock: FakeClock) => Promise<DiskBlobStore>;
  readonly compose: (disk: DiskBlobStore) => BlobStore;
  readonly resultsPath: string;
}

/** An action cache over a CAS that has not room for everything, and what may be in it after all that has happened. */
export class ResultWorld implements AsyncDisposable {
  readonly #options: ResultWorldOptions;
  readonly #clock = new FakeClock();
  /** Which results an action may have; `undefined` is none. */
  readonly #possible = new Map<number, readonly (string | undefined)[]>();
  /** Until when each blob has to stay. */
  readonly #promisedUntilMs = new Map<string, number>();
  #disk!: DiskBlobStore;
  #values!: DiskKeyedStore;
  #blobs!: BlobStore;
  #cache!: ActionCache;
  #floods = 0;

  private constructor(options: ResultWorldOptions) {
    this.#options = options;
  }

  static async create(options: ResultWorldOptions): Promise<ResultWorld> {
    const world = new ResultWorld(options);
    await world.#open();
    return world;
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'pass') this.#clock.advance(step.ms);
    else if (step.kind === 'restart') await this.#restart();
    else if (step.kind === 'together') await this.#together(step.operations);
    else if (step.operation.kind === 'get') await this.#getAlone(step.operation.action);
    else await this.#together([step.operation]);
    await this.#checkPromises();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disk[Symbol.asyncDispose]();
    await this.#values[Symbol.asyncDispose]();
  }

  async #open(): Promise<void> {
    this.#disk = await this.#options.openBlobs(this.#clock);
    this.#values = await DiskKeyedStore.open({ path: this.#options.resultsPath, clock: this.#clock });
    this.#blobs = this.#options.compose(this.#disk);
    this.#cache = new CompletenessCheckingActionCache(new KeyedActionCache(this.#values), this.#blobs);
  }

  async #restart(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.#open();
  }

  /** With nothing else going on it is known what has to be answered. */
  async #getAlone(action: number): Promise<void> {
    const there = new Map<string, boolean>();
    for (const { digest, data } of universe) there.set(digest.key, await this.#has(digest, data));

    const found = await this.#get(action);

    const expected = this.#of(action).map((name) => {
      return name !== undefined && results[name]!.needs.every(({ digest }) => there.get(digest.key)) ? name : undefined;
    });
    assert.ok(expected.includes(found), `${String(found)} is answered, not ${expected.map(String).join(' or ')}`);
    this.#possible.set(action, [found]);
    if (found !== undefined) this.#promise(found);
  }

  async #together(operations: readonly Operation[]): Promise<void> {
    const before = new Map([0, 1, 2].map((action) => [action, this.#of(action)]));
    for (const each of operations) this.#expect(each, before);
    const lost = operations.flatMap((each) => (each.kind === 'lose' ? each.blobs : []));
    for (const blob of lost) this.#promisedUntilMs.delete(blobNames[blob]!);

    const answers = await Promise.all(operations.map((each) => this.#do(each)));

    for (const [index, each] of operations.entries()) {
      const found = answers[index];
      if (each.kind !== 'get' || found === undefined) continue;
      assert.ok(before.get(each.action)!.includes(found), `${found} is answered, which nobody stored`);
      this.#promise(found, new Set(lost.map((blob) => blobNames[blob]!)));
    }
    for (const [action, possible] of before) this.#possible.set(action, possible);
    await this.#lookAfter(operations);
  }

  /** After one change alone it is known what there is. */
  async #lookAfter([only, ...others]: readonly Operation[]): Promise<void> {
    if (!only || others.length > 0) return;
    if (only.kind === 'forget') this.#possible.set(only.action, [undefined]);
    if (only.kind === 'store' || only.kind === 'update') {
      const found = await new KeyedActionCache(this.#values).get(digestOf(only.action));
      const name = nameOf(found);
      assert.ok(this.#of(only.action).includes(name));
      this.#possible.set(only.action, [name]);
    }
  }

  /** What may come of an operation, together with others. */
  #expect(each: Operation, possible: Map<number, readonly (string | undefined)[]>): void {
    if (!('action' in each)) return;
    const name = 'result' in each ? resultNames[each.result]! : undefined;
    // A lookup drops what is no longer complete.
    possible.set(each.action, [...possible.get(each.action)!, name]);
  }

  async #do(each: Operation): Promise<string | undefined> {
    if (each.kind === 'get') return this.#get(each.action);
    if (each.kind === 'forget') await this.#cache.delete(digestOf(each.action));
    else if (each.kind === 'lose') await this.#blobs.delete(each.blobs.map((blob) => universe[blob]!.digest));
    else if (each.kind === 'upload') await this.#upload(each.blobs.map((blob) => universe[blob]!));
    else if (each.kind === 'flood') await this.#flood(each.count);
    else if ('result' in each) await this.#update(each);
    return undefined;
  }

  async #update({ kind, action, result }: Storing): Promise<void> {
    const { message, needs } = results[resultNames[result]!]!;
    if (kind === 'store') await this.#upload(needs);
    await this.#cache.update(digestOf(action), reapi.ActionResult.create(message)).catch(onlyIfFull);
  }

  async #upload(blobs: readonly (typeof universe)[number][]): Promise<void> {
    for (const outcome of await this.#blobs.writeBatch(blobs)) if (outcome) onlyIfFull(outcome);
  }

  async #flood(count: number): Promise<void> {
    const fresh = Array.from({ length: count }, () => blobOf(Buffer.alloc(100_000, `flood ${(this.#floods += 1)} `)));
    await this.#upload(fresh);
  }

  async #get(action: number): Promise<string | undefined> {
    return nameOf(await this.#cache.get(digestOf(action)));
  }

  #of(action: number): readonly (string | undefined)[] {
    return this.#possible.get(action) ?? [undefined];
  }

  #promise(name: string, lost: ReadonlySet<string> = new Set()): void {
    for (const { digest } of results[name]!.needs) {
      if (!lost.has(digest.key)) this.#promisedUntilMs.set(digest.key, this.#clock.now() + promiseMs);
    }
  }

  /** What was promised is there, in the store that lasts. */
  async #checkPromises(): Promise<void> {
    for (const { digest, data } of universe) {
      if ((this.#promisedUntilMs.get(digest.key) ?? 0) <= this.#clock.now()) continue;
      assert.ok(await this.#has(digest, data), `Blob ${String(digest)} has gone, which an answer had promised`);
    }
  }

  async #has(digest: Digest, data: Buffer): Promise<boolean> {
    try {
      assert.ok(data.equals(await readBlob(this.#disk, digest)), 'These are other bytes');
      return true;
    } catch (reason) {
      if (reason instanceof BlobNotFoundError) return false;
      throw reason;
    }
  }
}

function digestOf(action: number): Digest {
  return Digest.of(Buffer.from(`action ${action}`));
}

/** Which of the results an answer is; fails for any other. */
function nameOf(found: reapi.ActionResult | undefined): string | undefined {
  if (!found) return undefined;
  const paths = (result: reapi.ActionResult.$Properties): string =>
    JSON.stringify([
      (result.outputFiles ?? []).map(({ digest }) => digest?.hash),
      (result.outputDirectories ?? []).map((each) => [each.treeDigest?.hash, each.rootDirectoryDigest?.hash]),
    ]);
  const name = resultNames.find((each) => paths(results[each]!.message) === paths(found));
  assert.ok(name !== undefined, 'Nobody has stored such a result');
  assert.equal(found.stdoutDigest?.hash, name === 'inline' ? inline.digest.hash : undefined);
  return name;
}

function onlyIfFull(reason: unknown): void {
  if (!(reason instanceof StatusError) || reason.code !== Code.ResourceExhausted) throw reason;
}
