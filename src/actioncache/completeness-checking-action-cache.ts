import { BlobNotFoundError, type BlobStore } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { type Logger, silentLogger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { checkDirectory } from '../merkle/directory.js';
import { readTree } from '../merkle/tree.js';
import { walkDirectories } from '../merkle/walk-directories.js';
import type { reapi } from '../proto/index.js';
import type { ActionCache } from './action-cache.js';
import { referencesOf } from './action-result.js';
import { storeInlineBytes } from './store-inline-bytes.js';

/** A result with more blobs is taken for malformed: all of them must fit in memory (U4). */
const maxBlobs = 1_000_000;

/**
 * Answers only results whose every output is in the CAS at this moment (AC-2, D5), and by asking for them has them kept.
 * A result that lacks one, or cannot be understood, is a miss and is dropped; trouble with a store is thrown, for it says
 * nothing about the result. Bytes that a result carries inline go to the CAS before it is stored (AC-4).
 */
export class CompletenessCheckingActionCache implements ActionCache {
  readonly #inner: ActionCache;
  readonly #blobs: BlobStore;
  readonly #logger: Logger;

  constructor(inner: ActionCache, blobs: BlobStore, logger: Logger = silentLogger) {
    this.#inner = inner;
    this.#blobs = blobs;
    this.#logger = logger;
  }

  async get(actionDigest: Digest, signal?: AbortSignal): Promise<reapi.ActionResult | undefined> {
    const result = await this.#inner.get(actionDigest, signal);
    if (!result) return undefined;
    const fault = await this.#faultOf(result, actionDigest.function, signal);
    if (fault === undefined) return result;
    this.#logger.info({ actionDigest, fault }, 'An action result that is no longer complete is dropped');
    await this.#inner.delete(actionDigest, signal);
    return undefined;
  }

  async update(actionDigest: Digest, result: reapi.ActionResult, signal?: AbortSignal): Promise<reapi.ActionResult> {
    const stored = await storeInlineBytes(result, { blobs: this.#blobs, fn: actionDigest.function }, signal);
    return this.#inner.update(actionDigest, stored, signal);
  }

  delete(actionDigest: Digest, signal?: AbortSignal): Promise<void> {
    return this.#inner.delete(actionDigest, signal);
  }

  /** Says what is wrong with a result, or nothing if it is complete. */
  async #faultOf(result: reapi.ActionResult, fn: DigestFunction, signal?: AbortSignal): Promise<string | undefined> {
    try {
      const wanted = await this.#collect(result, fn, signal);
      const missing = await this.#blobs.findMissing([...wanted.values()], signal);
      return missing[0] && `${missing.length} of ${wanted.size} blobs are missing, such as ${String(missing[0])}`;
    } catch (reason) {
      const isAboutResult = reason instanceof StatusError && reason.code === Code.InvalidArgument;
      if (isAboutResult || reason instanceof BlobNotFoundError) return reason.message;
      throw reason;
    }
  }

  /** All that the result refers to, directly and through Trees and Directories, by key. */
  async #collect(
    result: reapi.ActionResult,
    fn: DigestFunction,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, Digest>> {
    const { blobs, trees, roots } = referencesOf(result, fn);
    const wanted = new Map<string, Digest>();
    const want = (digest: Digest): void => {
      wanted.set(digest.key, digest);
      if (wanted.size > maxBlobs) throw new StatusError(Code.InvalidArgument, `More than ${maxBlobs} outputs`);
    };
    const wantFiles = ({ files }: reapi.Directory.$Properties): void => {
      for (const { digest } of files ?? []) want(Digest.fromProto(digest, fn));
    };
    for (const digest of [...blobs, ...trees]) want(digest);
    for (const digest of trees) for (const directory of await this.#directoriesOf(digest, signal)) wantFiles(directory);
    for (const root of roots) {
      for await (const { digest, directory } of walkDirectories(this.#blobs, root, signal)) {
        if (!directory) throw new BlobNotFoundError(digest);
        want(digest);
        wantFiles(directory);
      }
    }
    return wanted;
  }

  async #directoriesOf(digest: Digest, signal?: AbortSignal): Promise<readonly reapi.Directory.$Properties[]> {
    const tree = await readTree(this.#blobs, digest, signal);
    const directories = [tree.root ?? {}, ...tree.children];
    for (const directory of directories) checkDirectory(directory);
    return directories;
  }
}
