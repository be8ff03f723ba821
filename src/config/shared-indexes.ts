import { indexesIn } from './indexes-in.js';
import type { Clash } from './shared-buckets.js';

/** Finds indexes of different storages in one database: each would say of the other's blobs that they are in its storage. */
export function sharedIndexes(config: unknown): Clash[] {
  const all = indexesIn(config);
  return all
    .filter(({ index }, position) =>
      all
        .slice(0, position)
        .some(
          ({ index: other }) =>
            other.connectionString === index.connectionString && other.storage.node !== index.storage.node,
        ),
    )
    .map(({ path }) => ({
      path: [...path, 'connectionString'],
      message: 'this database has the index of another storage already: each index wants a database of its own',
    }));
}
