import { isMeasurable, type StoreStats } from '../blobstore/store-stats.js';
import type { StoreReport, StoreReporter } from '../blobstore/store-report.js';
import { StatusError } from '../common/status-error.js';
import type { BlobStoreConfig } from '../config/storage-config.js';
import { type StoragePart, storageParts, storagePlace } from '../config/storage-parts.js';
import type { Composition } from './composition.js';
import { createBlobStore } from './create-blob-store.js';

/** Makes what tells how much the store that `config` describes holds, and each of its parts. */
export async function createStoreReporter(config: BlobStoreConfig, composition: Composition): Promise<StoreReporter> {
  return createReporter({ role: '', storage: config }, composition);
}

async function createReporter({ role, storage }: StoragePart, composition: Composition): Promise<StoreReporter> {
  const store = await createBlobStore(storage, composition);
  const ofParts: StoreReporter[] = [];
  for (const part of storageParts(storage)) ofParts.push(await createReporter(part, composition));
  return async (signal) => {
    const parts = await Promise.all(ofParts.map((report) => report(signal)));
    const told = isMeasurable(store) ? await ask(() => store.stats(signal), signal) : {};
    const stats = told.stats ?? totalOf(storage.type, parts);
    return { type: storage.type, role, place: storagePlace(storage), parts, ...told, stats };
  };
}

async function ask(
  stats: () => Promise<StoreStats>,
  signal: AbortSignal | undefined,
): Promise<Pick<StoreReport, 'trouble'> & { readonly stats?: StoreStats }> {
  try {
    return { stats: await stats() };
  } catch (reason) {
    signal?.throwIfAborted();
    return { trouble: StatusError.from(reason).message };
  }
}

/** Storages whose every blob is in one of their parts. */
const isSpread = new Set<BlobStoreConfig['type']>(['split-storage', 'sharded-storage']);

/** The part that answers for the whole. */
const mainRoles = new Set(['fallback', 'storage']);

/** What a store holds that keeps no account itself, as its parts tell it. */
function totalOf(type: BlobStoreConfig['type'], parts: readonly StoreReport[]): StoreStats {
  if (isSpread.has(type)) return sumOf(parts);
  // Both sides of a mirror hold the same, once they are in step.
  if (type === 'mirrored-storage')
    return sumOf([...parts].sort((one, other) => blobsIn(other) - blobsIn(one)).slice(0, 1));
  return sumOf(parts.filter(({ role }) => mainRoles.has(role)));
}

const blobsIn = ({ stats }: StoreReport): number => stats.blobs ?? -1;

function sumOf(reports: readonly StoreReport[]): StoreStats {
  if (reports.length === 0) return {};
  const sum = (name: 'blobs' | 'sizeBytes' | 'maxBytes'): StoreStats => {
    const total = reports.reduce((before, { stats }) => before + (stats[name] ?? NaN), 0);
    return Number.isNaN(total) ? {} : { [name]: total };
  };
  return { ...sum('blobs'), ...sum('sizeBytes'), ...sum('maxBytes') };
}
