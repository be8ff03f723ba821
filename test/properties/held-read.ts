import assert from 'node:assert/strict';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { universe } from './blob-steps.js';

/** Somebody who has begun to read a blob and takes a long time over it. */
export class HeldRead {
  readonly blob: number;
  /** Whether it is lawful that it breaks off: the blob was deleted meanwhile, say. */
  mayBreak = false;
  readonly #rest: AsyncIterator<Uint8Array>;
  readonly #found: Uint8Array[];
  readonly #release: () => void;

  private constructor(blob: number, rest: AsyncIterator<Uint8Array>, found: Uint8Array[], release: () => void) {
    this.blob = blob;
    this.#rest = rest;
    this.#found = found;
    this.#release = release;
  }

  /** Takes the first bytes, or returns why there are none. `release` is called in the end. */
  static async begin(store: BlobStore, blob: number, release: () => void): Promise<HeldRead | StatusError> {
    const rest = store.read(universe[blob]!.digest)[Symbol.asyncIterator]();
    try {
      const first = await rest.next();
      const found = first.done === true ? [] : [Buffer.from(first.value)];
      return new HeldRead(blob, rest, found, release);
    } catch (reason) {
      return StatusError.from(reason);
    }
  }

  /** Reads on to the end (D4: whatever has happened meanwhile). */
  async finish(): Promise<void> {
    let failure: unknown;
    try {
      for (let next = await this.#rest.next(); next.done !== true; next = await this.#rest.next()) {
        this.#found.push(next.value);
      }
    } catch (reason) {
      failure = reason;
      // A large blob is checked while it streams: whoever is told of damage throws away what came before (D2).
      if (StatusError.from(reason).code === Code.DataLoss) this.#found.length = 0;
    }
    this.#release();
    const { data } = universe[this.blob]!;
    const bytes = Buffer.concat(this.#found);
    assert.ok(bytes.equals(data.subarray(0, bytes.length)), `Blob ${this.blob} has wrong bytes`);
    const isWhole = failure === undefined && bytes.length === data.length;
    assert.ok(isWhole || this.mayBreak, `Blob ${this.blob} broke off: ${String(failure)}`);
  }

  async abandon(): Promise<void> {
    await this.#rest.return?.();
  }
}
