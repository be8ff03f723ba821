/** A fault with its place. */
export interface Clash {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

interface Bucket {
  readonly path: readonly PropertyKey[];
  readonly type: unknown;
  readonly endpoint: unknown;
  readonly name: string;
}

/**
 * Finds action caches that share a bucket with blobs. In BuildGrid's layout the result of an Action has the very name of
 * the Action's blob, so each would destroy the other.
 */
export function sharedBuckets(config: unknown): Clash[] {
  const buckets = bucketsIn(config, []);
  const ofBlobs = buckets.filter(({ type }) => type === 's3-storage');
  return buckets
    .filter(({ type }) => type === 's3action-cache')
    .filter((cache) => ofBlobs.some((blobs) => blobs.endpoint === cache.endpoint && canBe(blobs.name, cache.name)))
    .map(({ path, name }) => ({
      path: [...path, 'bucket'],
      message: `${JSON.stringify(name)} also holds blobs, which have the same names: results want a bucket of their own`,
    }));
}

function bucketsIn(value: unknown, path: readonly PropertyKey[]): Bucket[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.entries(value).flatMap(([key, each]) =>
    bucketsIn(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  const { type, endpoint, bucket } = value as Record<string, unknown>;
  return typeof bucket === 'string' ? [{ path, type, endpoint, name: bucket }, ...below] : below;
}

/** Whether a template may name `bucket`. */
function canBe(template: string, bucket: string): boolean {
  const literals = template.split(/\{digest(?:\[\d+\])?\}/).map((text) => text.replace(/\./g, '\\.'));
  return new RegExp(`^${literals.join('[0-9a-f]+')}$`).test(bucket);
}
