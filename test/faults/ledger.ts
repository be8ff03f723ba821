import assert from 'node:assert/strict';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { RemoteActionCache } from '../../src/client/remote-action-cache.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import type { RemoteInstance } from '../../src/client/remote-instance.js';
import { forEachConcurrently } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import type { reapi } from '../../src/proto/index.js';

/** What clients have tried to store, and what they were told. */
export class Ledger {
  /** Everything that was ever sent, whole or in part. */
  readonly #sent = new Map<string, Digest>();
  /** In the order of the answers. */
  readonly #stored = new Map<string, Digest>();
  /** By action: the workers whose results were sent since one was acknowledged, that one first. */
  readonly #results = new Map<string, { readonly action: Digest; workers: string[]; isStored: boolean }>();

  get storedCount(): number {
    return this.#stored.size;
  }

  get sentCount(): number {
    return this.#sent.size;
  }

  send(digest: Digest): void {
    this.#sent.set(digest.key, digest);
  }

  /** Notes the answer that a blob is stored. */
  store(digest: Digest): void {
    this.#stored.delete(digest.key);
    this.#stored.set(digest.key, digest);
  }

  sendResult(action: Digest, worker: string): void {
    const known = this.#results.get(action.key) ?? { action, workers: [], isStored: false };
    known.workers.push(worker);
    this.#results.set(action.key, known);
  }

  storeResult(action: Digest, worker: string): void {
    const known = this.#results.get(action.key)!;
    known.workers = known.workers.slice(known.workers.indexOf(worker));
    known.isStored = true;
  }

  /**
   * Reads everything that was ever sent: each blob is whole and right, or absent, and absent is none of those stored last
   * that have up to `keptBytes` together (D1, D2, D3).
   */
  async check(remote: RemoteInstance, keptBytes: number): Promise<void> {
    const mustBeThere = this.#newest(keptBytes);
    const blobs = new RemoteBlobStore(remote);
    const lost: string[] = [];
    // In the order of the uploads, so that the order of eviction stays as it is.
    await forEachConcurrently(this.#sent.values(), 32, async (digest) => {
      const isThere = await canBeRead(blobs, digest);
      if (!isThere && mustBeThere.has(digest.key)) lost.push(String(digest));
      if (!isThere) this.#stored.delete(digest.key);
    });
    assert.deepEqual(lost, [], `${lost.length} blobs are lost of ${mustBeThere.size} that were acknowledged`);
    for (const known of this.#results.values()) await this.#checkResult(remote, known, keptBytes === Infinity);
  }

  /** A result is whole and one of those that may be there (AC-5, D5). */
  async #checkResult(
    remote: RemoteInstance,
    {
      action,
      workers,
      isStored,
    }: { readonly action: Digest; readonly workers: readonly string[]; readonly isStored: boolean },
    mustBeThere: boolean,
  ): Promise<void> {
    const result = await new RemoteActionCache(remote).get(action);
    if (!result) {
      assert.ok(!(mustBeThere && isStored), `The result of action ${String(action)} is lost`);
      return;
    }
    const worker = result.executionMetadata?.worker ?? '';
    assert.ok(workers.includes(worker), `Action ${String(action)} has the result of ${worker}`);
    await readOutputs(remote, result);
  }

  #newest(keptBytes: number): ReadonlySet<string> {
    const newest = new Set<string>();
    let sum = 0;
    for (const { key, sizeBytes } of [...this.#stored.values()].reverse()) {
      sum += sizeBytes;
      if (sum > keptBytes) break;
      newest.add(key);
    }
    return newest;
  }
}

async function readOutputs(remote: RemoteInstance, { outputFiles }: reapi.ActionResult): Promise<void> {
  for (const { digest } of outputFiles) {
    await readBlob(new RemoteBlobStore(remote), Digest.from(digest?.hash ?? '', digest?.sizeBytes ?? 0));
  }
}

/** The client checks what it reads against the digest: wrong bytes are an error, and so is all but NOT_FOUND. */
async function canBeRead(blobs: RemoteBlobStore, digest: Digest): Promise<boolean> {
  try {
    await readBlob(blobs, digest);
    return true;
  } catch (reason) {
    if (StatusError.from(reason).code === Code.NotFound) return false;
    throw reason;
  }
}
