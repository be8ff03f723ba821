import { stat } from 'node:fs/promises';
import { DiskBlobStore } from '../blobstore/backends/disk-blob-store.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import { checkBlobs } from '../blobstore/check-blobs.js';
import { forgetIndex } from '../blobstore/disk/forget-index.js';
import { Code } from '../common/code.js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import type { ActionCacheConfig } from '../config/action-cache-config.js';
import type { ServerConfig } from '../config/server-config.js';
import type { BlobStoreConfig } from '../config/storage-config.js';
import { taggedIn } from '../config/tagged-in.js';
import { loadDigestFunctions } from '../digest/digest-function.js';
import { DiskKeyedStore } from '../keyedstore/backends/disk-keyed-store.js';
import { checkResults } from './check-results.js';
import { Composition } from './composition.js';
import { createBlobStore } from './create-blob-store.js';
import type { CheckedBlobs, CheckedResults, FsckFinding, FsckProgress, FsckReport } from './fsck-report.js';
import { openDisk } from './open-disk.js';

/** What {@link runFsck} is told. */
export interface FsckOptions {
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** Whether action results are checked, too. */
  readonly checksResults: boolean;
  /** Whether damaged blobs are put aside, useless results removed, and what is known of blobs is read anew from them. */
  readonly repairs: boolean;
  readonly onFinding: (finding: FsckFinding) => void;
  readonly onProgress: (progress: FsckProgress) => void;
}

type DiskConfig = Extract<BlobStoreConfig, { type: 'disk-storage' }>;
type StoredResultsConfig = Extract<ActionCacheConfig, { type: 'action-cache' }>;

/** A check leaves the eviction of blobs to the servers. */
const noLimit = Number.MAX_SAFE_INTEGER;

/**
 * Checks every folder of blobs that `config` names, and of action results if that is wanted, while no server has them open.
 * Throws FAILED_PRECONDITION if one has, if a folder is not there, or if the configuration has none.
 */
export async function runFsck(options: FsckOptions, signal?: AbortSignal): Promise<FsckReport> {
  const disks = taggedIn<DiskConfig>(options.config, 'disk-storage');
  if (disks.length === 0) {
    const text = 'The configuration has no !disk-storage: other storages look after their data themselves';
    throw new StatusError(Code.FailedPrecondition, text);
  }
  for (const { path } of disks) await assertIsFolder(path);
  await loadDigestFunctions();
  const findings: FsckFinding[] = [];
  const onFinding = (finding: FsckFinding): void => {
    findings.push(finding);
    options.onFinding(finding);
  };
  const checked = await checkAll({ ...options, onFinding }, disks, signal);
  if (options.repairs) for (const { path } of disks) await rebuildIndex(path);
  return { ...checked, findings, isRepaired: options.repairs };
}

async function checkAll(
  options: FsckOptions,
  disks: readonly DiskConfig[],
  signal?: AbortSignal,
): Promise<Pick<FsckReport, 'blobs' | 'results'>> {
  await using lifecycle = new Lifecycle();
  const composition = new Composition(lifecycle, reporting(options));
  // All are locked before the first is checked: that may take hours.
  for (const disk of disks) await openDisk({ ...disk, size: noLimit }, composition);
  const blobs: CheckedBlobs[] = [];
  for (const disk of disks) blobs.push(await checkDisk(disk, options, composition, signal));
  const results: CheckedResults[] = [];
  const caches = options.checksResults ? taggedIn<StoredResultsConfig>(options.config, 'action-cache') : [];
  for (const { path, storage } of caches) {
    if (path === undefined) continue;
    await assertIsFolder(path);
    const outputs = await outputsIn(storage, composition);
    results.push(await checkCache({ path, outputs }, options, composition, signal));
  }
  return { blobs, results };
}

async function checkDisk(
  config: DiskConfig,
  { repairs, onFinding, onProgress }: FsckOptions,
  composition: Composition,
  signal: AbortSignal | undefined,
): Promise<CheckedBlobs> {
  const { path: folder } = config;
  const store = await openDisk(config, composition);
  // Names are read in the background; the first one comes when all are known.
  await store.list(signal)[Symbol.asyncIterator]().next();
  const { sizeBytes: allBytes = 0 } = await store.stats();
  const check = await checkBlobs(
    store,
    {
      repairs,
      onDamaged: ({ digest, fault }) => onFinding({ folder, item: String(digest), fault }),
      onProgress: ({ blobs: items, ...rest }) =>
        onProgress({ folder, items, ...rest, allItems: store.count, allBytes }),
    },
    signal,
  );
  return { folder, ...check };
}

/** A folder by itself is looked at without a trace; any other storage is asked as its clients ask it. */
async function outputsIn(storage: BlobStoreConfig, composition: Composition): Promise<BlobStore> {
  if (storage.type === 'disk-storage') return (await openDisk(storage, composition)).untouched;
  return createBlobStore(storage, composition);
}

async function checkCache(
  { path: folder, outputs }: { readonly path: string; readonly outputs: BlobStore },
  { repairs, onFinding, onProgress }: FsckOptions,
  { lifecycle, logger }: Composition,
  signal: AbortSignal | undefined,
): Promise<CheckedResults> {
  const values = lifecycle.use(await DiskKeyedStore.open({ path: folder, logger }));
  const check = await checkResults(
    values,
    {
      blobs: outputs,
      repairs,
      onDamaged: (item, fault) => onFinding({ folder, item, fault }),
      onProgress: ({ results: items, damaged }) => onProgress({ folder, items, sizeBytes: 0, damaged }),
    },
    signal,
  );
  return { folder, ...check };
}

/** What was found when folders were opened has no name: stores tell the log of it. */
function reporting({ logger, onFinding }: FsckOptions): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.debug(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: ({ path }, fault) => onFinding({ folder: typeof path === 'string' ? path : '', fault }),
    child: (fields) => logger.child(fields),
  };
}

/** Reads every pack segment anew. What is damaged in them has been told of before. */
async function rebuildIndex(path: string): Promise<void> {
  await forgetIndex(path);
  const store = await DiskBlobStore.open({ path, maxBytes: noLimit });
  await store[Symbol.asyncDispose]();
}

async function assertIsFolder(path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) return;
  } catch (reason) {
    if (errnoOf(reason) !== 'ENOENT') throw reason;
    const text = `There is no folder ${path}: nothing has been stored yet, or the path is wrong`;
    throw new StatusError(Code.FailedPrecondition, text);
  }
  throw new StatusError(Code.FailedPrecondition, `${path} is no folder, so no blobs are kept there`);
}
