import type { ActionCache } from '../actioncache/action-cache.js';
import type { AssetSource } from '../assets/asset-source.js';
import type { AssetStore } from '../assets/asset-store.js';
import type { ReferenceStore } from '../assets/reference-store.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import type { StoreReporter } from '../blobstore/store-report.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import { checkInstanceName } from '../digest/instance-name.js';
import type { Scheduler } from '../scheduler/scheduler.js';

/** The half of an instance that runs actions. */
export interface InstanceExecution {
  readonly scheduler: Scheduler;
  /** Where Actions, Commands and inputs are looked up; perhaps served by another endpoint. */
  readonly blobs: BlobStore;
  /** Where people can look at actions: told with each response. */
  readonly actionBrowserUrl?: string;
}

/** The names that an instance has for content, by the Remote Asset API. */
export interface InstanceAssets {
  /** What is fetched from: the store, and perhaps origins behind it. */
  readonly source: AssetSource;
  readonly store: AssetStore;
  /** Whether clients may push. */
  readonly allowsUpdates: boolean;
}

/** The names that an instance has for trees, by BuildStream's ReferenceStorage. */
export interface InstanceReferences {
  readonly store: ReferenceStore;
  /** Whether clients may update. */
  readonly allowsUpdates: boolean;
}

/** What one instance name stands for on an endpoint. A part that is not configured is not served. */
export interface Instance {
  readonly blobs?: BlobStore;
  /** Tells how much {@link blobs} hold. */
  readonly reporter?: StoreReporter;
  /** Whether clients may only read: blobs, and all else that they could write. @defaultValue false */
  readonly isReadOnly?: boolean;
  /** What a blob that clients write may have. @defaultValue as much as it likes */
  readonly maxBlobBytes?: number;
  /** Whether clients may make admin calls. @defaultValue false */
  readonly allowsAdmin?: boolean;
  readonly actionCache?: ActionCache;
  /** Whether clients may write the ActionCache (AC-5). */
  readonly allowsActionCacheUpdates?: boolean;
  readonly execution?: InstanceExecution;
  readonly assets?: InstanceAssets;
  readonly references?: InstanceReferences;
}

/** Finds what an instance name stands for. */
export class InstanceRegistry {
  readonly #byName: ReadonlyMap<string, Instance>;
  readonly #fallback: Instance | undefined;

  /** With a `fallback` every valid name is known and means it, unless `byName` has it. */
  constructor(byName: ReadonlyMap<string, Instance>, fallback?: Instance) {
    this.#byName = byName;
    this.#fallback = fallback;
  }

  /** Throws INVALID_ARGUMENT for a name that is malformed or not served here (INST-2). */
  get(name: string): Instance {
    const instance = this.#byName.get(name) ?? this.#fallback;
    if (instance && checkInstanceName(name) === name) return instance;
    const known = [...this.#byName.keys()].map((each) => JSON.stringify(each)).join(', ');
    throw new StatusError(
      Code.InvalidArgument,
      `Instance ${JSON.stringify(checkInstanceName(name))} is not served here; served are ${known}`,
    );
  }

  /** The blob store of an instance. Throws UNIMPLEMENTED where this endpoint serves no CAS for it. */
  blobs(name: string): BlobStore {
    return this.#part(name, 'blobs', 'CAS');
  }

  /** What tells how much an instance's blob store holds. Throws UNIMPLEMENTED where this endpoint serves no CAS for it. */
  reporter(name: string): StoreReporter {
    return this.#part(name, 'reporter', 'CAS');
  }

  /** The blob store of an instance, for a call that writes. Throws PERMISSION_DENIED too, where clients may only read. */
  writableBlobs(name: string): BlobStore {
    const blobs = this.blobs(name);
    this.assertWritable(name);
    return blobs;
  }

  /** Throws INVALID_ARGUMENT for a blob that is larger than clients of an instance may write (BS-13). */
  assertFits(name: string, digest: Digest): void {
    const { maxBlobBytes = Infinity } = this.get(name);
    if (digest.sizeBytes <= maxBlobBytes) return;
    throw new StatusError(
      Code.InvalidArgument,
      `Blob ${String(digest)} is larger than instance ${JSON.stringify(name)} takes: at most ${maxBlobBytes} bytes`,
    );
  }

  /** Throws PERMISSION_DENIED where clients may only read. */
  assertWritable(name: string): void {
    if (this.get(name).isReadOnly !== true) return;
    throw new StatusError(
      Code.PermissionDenied,
      `Instance ${JSON.stringify(name)} is read-only: nothing can be stored`,
    );
  }

  /** The action cache of an instance. Throws UNIMPLEMENTED where this endpoint serves none for it. */
  actionCache(name: string): ActionCache {
    return this.#part(name, 'actionCache', 'ActionCache');
  }

  /** What runs an instance's actions. Throws UNIMPLEMENTED where this endpoint does not execute for it. */
  execution(name: string): InstanceExecution {
    return this.#part(name, 'execution', 'Execution');
  }

  /** The assets of an instance. Throws UNIMPLEMENTED where this endpoint has none for it: BuildStream then asks for references. */
  assets(name: string): InstanceAssets {
    return this.#part(name, 'assets', 'Remote Asset');
  }

  /** The references of an instance. Throws UNIMPLEMENTED where this endpoint has none for it. */
  references(name: string): InstanceReferences {
    return this.#part(name, 'references', 'ReferenceStorage');
  }

  #part<Part extends keyof Instance>(name: string, part: Part, service: string): NonNullable<Instance[Part]> {
    const found = this.get(name)[part];
    if (found !== undefined) return found;
    throw new StatusError(Code.Unimplemented, `Instance ${JSON.stringify(name)} has no ${service} on this endpoint`);
  }
}
