import type { Digest } from '../../digest/digest.js';
import type { Blob, BlobStore, ByteRange, WriteOutcome } from '../blob-store.js';
import { isTrouble } from '../is-trouble.js';
import { StatusError } from '../../common/status-error.js';

/** One of several stores that share the blobs among them. */
export interface Route {
  /** Names it in errors, such as `shard "a"`. */
  readonly name: string;
  readonly store: BlobStore;
}

/**
 * Keeps each blob in one of several stores, which its digest alone determines. While one of them is down, only the blobs
 * that belong there are out of reach: a call that asks for some of them fails, but a batch fails only for them.
 */
export abstract class RoutingBlobStore implements BlobStore {
  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const distinct = [...new Map(digests.map((digest) => [digest.key, digest])).values()];
    const missing = new Set<string>();
    await this.#onEach(distinct, itself, async ({ store }, group) => {
      for (const { key } of await store.findMissing(group, signal)) missing.add(key);
    });
    return distinct.filter(({ key }) => missing.has(key));
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const route = this.routeOf(digest);
    try {
      yield* route.store.read(digest, range, signal);
    } catch (reason) {
      throw named(route, reason);
    }
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const route = this.routeOf(digest);
    try {
      await route.store.write(digest, content, signal);
    } catch (reason) {
      throw named(route, reason);
    }
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    signal?.throwIfAborted();
    const outcomes: WriteOutcome[] = blobs.map(() => undefined);
    await this.#onEach([...blobs.entries()], digestOfEntry, async (route, group) => {
      const found = await outcomesOf(
        route,
        group.map(([, blob]) => blob),
        signal,
      );
      for (const [place, [index]] of group.entries()) outcomes[index] = found[place];
    });
    return outcomes;
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    await this.#onEach(digests, itself, ({ store }, group) => store.delete(group, signal));
  }

  /** Where `digest` belongs: always the same place. */
  protected abstract routeOf(digest: Digest): Route;

  async #onEach<Item>(
    items: readonly Item[],
    digestOf: (item: Item) => Digest,
    task: (route: Route, group: readonly Item[]) => Promise<void>,
  ): Promise<void> {
    const groups = new Map<Route, Item[]>();
    for (const item of items) {
      const route = this.routeOf(digestOf(item));
      const group = groups.get(route);
      if (group) group.push(item);
      else groups.set(route, [item]);
    }
    await Promise.all(
      [...groups].map(async ([route, group]) => {
        try {
          await task(route, group);
        } catch (reason) {
          throw named(route, reason);
        }
      }),
    );
  }
}

/** A store that is down fails its own blobs, not the batch. */
async function outcomesOf(
  route: Route,
  blobs: readonly Blob[],
  signal?: AbortSignal,
): Promise<readonly WriteOutcome[]> {
  try {
    return await route.store.writeBatch(blobs, signal);
  } catch (reason) {
    const error = named(route, reason);
    return blobs.map(() => error);
  }
}

/** Adds whose failure it is, unless that is of no interest. */
function named({ name }: Route, reason: unknown): StatusError {
  const error = StatusError.from(reason);
  return isTrouble(error.code) ? error.wrap(`Trouble with ${name}`) : error;
}

function itself(digest: Digest): Digest {
  return digest;
}

function digestOfEntry([, { digest }]: readonly [number, Blob]): Digest {
  return digest;
}
