import type { BlobStoreConfig } from './storage-config.js';

/** A storage as a part of another. */
export interface StoragePart {
  /** The key that names it, such as `fallback`, or the name of a shard. */
  readonly role: string;
  readonly storage: BlobStoreConfig;
}

/** The storages that `config` is directly made of, in the order of the file. */
export function storageParts(config: BlobStoreConfig): readonly StoragePart[] {
  if (config.type === 'sharded-storage') return config.shards.map(({ name, storage }) => ({ role: name, storage }));
  return Object.entries(config).flatMap(([role, value]: [string, unknown]) =>
    isStorage(value) ? [{ role, storage: value }] : [],
  );
}

/** Of what the schema lets through, only storages are tagged maps within a storage. */
function isStorage(value: unknown): value is BlobStoreConfig {
  return typeof value === 'object' && value !== null && 'type' in value && 'node' in value;
}

/** Where a storage keeps its blobs, as people would say it, without any secret; empty where that would say nothing. */
export function storagePlace(config: BlobStoreConfig): string {
  if (config.type === 'disk-storage') return config.path;
  if (config.type === 's3-storage') return config.bucket;
  if (config.type === 'redis-storage') return `${config.host}:${config.port}/${config.db ?? 0}`;
  if (config.type === 'remote-storage') return `${config.url} ${config.instanceName}`.trimEnd();
  return '';
}
