import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { ListableBlobStore } from './listable-blob-store.js';

/** A blob that is not what its digest says, and why. */
export interface DamagedBlob {
  readonly digest: Digest;
  /** For people. */
  readonly fault: string;
}

/** How far a check has come, or what it has found in the end. */
export interface BlobCheck {
  readonly blobs: number;
  readonly sizeBytes: number;
  readonly damaged: number;
}

/** What {@link checkBlobs} is told. */
export interface CheckBlobsOptions {
  /** Whether damaged blobs are put aside. */
  readonly repairs: boolean;
  readonly onDamaged: (damaged: DamagedBlob) => void;
  readonly onProgress: (progress: BlobCheck) => void;
}

/** Blobs read side by side, so that the disk need not wait for a hash to be finished. */
const concurrency = 4;

/** Reads every blob of a store and compares it with its digest. Leaves no trace but what it repairs. */
export async function checkBlobs(
  store: ListableBlobStore,
  { repairs, onDamaged, onProgress }: CheckBlobsOptions,
  signal?: AbortSignal,
): Promise<BlobCheck> {
  let check: BlobCheck = { blobs: 0, sizeBytes: 0, damaged: 0 };
  await forEachConcurrently(store.list(signal), concurrency, async (digest) => {
    const fault = await faultOf(store, digest, signal);
    if (fault !== undefined) {
      onDamaged({ digest, fault });
      if (repairs) await store.quarantine(digest, signal);
    }
    const { blobs, sizeBytes, damaged } = check;
    check = {
      blobs: blobs + 1,
      sizeBytes: sizeBytes + digest.sizeBytes,
      damaged: damaged + (fault === undefined ? 0 : 1),
    };
    onProgress(check);
  });
  return check;
}

/** Also a blob that the disk does not give back is damaged; trouble with the store as a whole shows in all of them. */
async function faultOf(
  { untouched }: ListableBlobStore,
  digest: Digest,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const hasher = digest.function.createHasher();
  try {
    for await (const chunk of untouched.read(digest, {}, signal)) hasher.update(chunk);
  } catch (reason) {
    signal?.throwIfAborted();
    const { code, message } = StatusError.from(reason);
    if (code === Code.Internal) throw reason;
    return message;
  }
  const hash = hasher.digest();
  return hash === digest.hash ? undefined : `its bytes hash to ${hash}`;
}
