import type { SqlIndexConfig } from './storage-config.js';

/** An index within a configuration, with its place. The same one, by an alias, may have several places. */
export interface PlacedIndex {
  readonly path: readonly PropertyKey[];
  readonly index: SqlIndexConfig;
}

/** Every `!sql-index` within `value`, wherever it is. */
export function indexesIn(value: unknown, path: readonly PropertyKey[] = []): readonly PlacedIndex[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.entries(value).flatMap(([key, each]) =>
    indexesIn(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return isIndex(value) ? [{ path, index: value }, ...below] : below;
}

function isIndex(value: object): value is SqlIndexConfig {
  return 'type' in value && value.type === 'sql-index';
}
