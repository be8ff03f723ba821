import type { Clash } from './shared-buckets.js';

interface Index {
  readonly path: readonly PropertyKey[];
  readonly connectionString: unknown;
  readonly storage: unknown;
}

/** Finds indexes of different storages in one database: each would say of the other's blobs that they are in its storage. */
export function sharedIndexes(config: unknown): Clash[] {
  const indexes = indexesIn(config, []);
  return indexes
    .filter(({ connectionString, storage }, position) =>
      indexes
        .slice(0, position)
        .some((other) => other.connectionString === connectionString && other.storage !== storage),
    )
    .map(({ path }) => ({
      path: [...path, 'connectionString'],
      message: 'this database has the index of another storage already: each index wants a database of its own',
    }));
}

function indexesIn(value: unknown, path: readonly PropertyKey[]): Index[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.entries(value).flatMap(([key, each]) =>
    indexesIn(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  const { type, connectionString, storage } = value as Record<string, unknown>;
  return type === 'sql-index' ? [{ path, connectionString, storage: nodeOf(storage) }, ...below] : below;
}

function nodeOf(storage: unknown): unknown {
  return typeof storage === 'object' && storage !== null && 'node' in storage ? storage.node : storage;
}
