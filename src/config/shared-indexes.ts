import type { Clash } from './shared-buckets.js';
import type { SqlIndexConfig } from './storage-config.js';

interface PlacedIndex {
  readonly path: readonly PropertyKey[];
  readonly index: SqlIndexConfig;
}

/** Finds indexes of different storages in one database: each would say of the other's blobs that they are in its storage. */
export function sharedIndexes(config: unknown): Clash[] {
  const all = indexesIn(config, []);
  return all
    .filter(({ index }, position) => all.slice(0, position).some(({ index: other }) => clash(index, other)))
    .map(({ path }) => ({
      path: [...path, 'connectionString'],
      message: 'this database has the index of another storage already: each index wants a database of its own',
    }));
}

function clash(one: SqlIndexConfig, other: SqlIndexConfig): boolean {
  return one.connectionString === other.connectionString && one.storage.node !== other.storage.node;
}

function indexesIn(value: unknown, path: readonly PropertyKey[]): readonly PlacedIndex[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.entries(value).flatMap(([key, each]) =>
    indexesIn(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return isIndex(value) ? [{ path, index: value }, ...below] : below;
}

function isIndex(value: object): value is SqlIndexConfig {
  return 'type' in value && value.type === 'sql-index';
}
