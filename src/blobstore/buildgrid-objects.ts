import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import { type DigestFunction, digestFunctions } from '../digest/digest-function.js';

/** A file of {@link BuildGridObjects}. Its name says the hash that its bytes should have. */
export interface BuildGridObject {
  readonly path: string;
  readonly function: DigestFunction;
  readonly hash: string;
  /** Of the file: names do not say the size. */
  readonly sizeBytes: number;
}

/** The blobs of BuildGrid's own `!disk-storage`: `cas/objects/hh/rest`, `hh` being the first two digits of the hash. */
export class BuildGridObjects {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Opens what BuildGrid's `path` names. Throws FAILED_PRECONDITION if there is no `cas/objects` in it. */
  static async open(path: string): Promise<BuildGridObjects> {
    const objects = join(path, 'cas', 'objects');
    const found = await stat(objects).catch((reason: unknown) => {
      if (errnoOf(reason) === 'ENOENT' || errnoOf(reason) === 'ENOTDIR') return undefined;
      throw reason;
    });
    if (found?.isDirectory()) return new BuildGridObjects(objects);
    throw new StatusError(
      Code.FailedPrecondition,
      `There is no folder ${objects}, where BuildGrid keeps its blobs: give the path that its !disk-storage has`,
    );
  }

  /** All blobs, in any order. Files with other names are passed over, and so is what goes meanwhile. */
  async *list(signal?: AbortSignal): AsyncIterable<BuildGridObject> {
    for (const start of await readdir(this.#path)) {
      if (!/^[0-9a-f]{2}$/.test(start)) continue;
      for (const rest of await namesIn(join(this.#path, start))) {
        signal?.throwIfAborted();
        const hash = start + rest;
        const fn = digestFunctions.find((each) => !each.isNamedInResources && each.hashes(hash));
        const path = join(this.#path, start, rest);
        const found = fn && (await stat(path).catch(() => undefined));
        if (fn && found?.isFile()) yield { path, function: fn, hash, sizeBytes: found.size };
      }
    }
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (reason) {
    if (errnoOf(reason) === 'ENOTDIR') return [];
    throw reason;
  }
}
