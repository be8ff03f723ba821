import { type ResultFault, faultOfResult } from '../actioncache/fault-of-result.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionBySegment } from '../digest/digest-function.js';
import type { ListableKeyedStore, ListedValue } from '../keyedstore/listable-keyed-store.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';
import type { CheckedResults } from './fsck-report.js';

/** What {@link checkResults} is told. */
export interface CheckResultsOptions {
  /** Where the outputs should be. */
  readonly blobs: BlobStore;
  /** Whether results that nobody can use are removed. */
  readonly repairs: boolean;
  readonly onDamaged: (item: string, fault: string) => void;
  readonly onProgress: (progress: Omit<CheckedResults, 'folder'>) => void;
}

/** Decodes every result that a store of an action cache holds, and looks for its outputs. */
export async function checkResults(
  values: ListableKeyedStore,
  { blobs, repairs, onDamaged, onProgress }: CheckResultsOptions,
  signal?: AbortSignal,
): Promise<Omit<CheckedResults, 'folder'>> {
  const check = { results: 0, damaged: 0, incomplete: 0 };
  for await (const listed of values.list(signal)) {
    const fault = await faultOf(listed, blobs, signal);
    if (fault?.isMalformed) onDamaged(listed.kept?.key ?? listed.name, fault.message);
    if (fault && repairs) await values.discard(listed.name);
    check.results += 1;
    if (fault) check[fault.isMalformed ? 'damaged' : 'incomplete'] += 1;
    onProgress({ ...check });
  }
  return check;
}

async function faultOf(
  { kept }: ListedValue,
  blobs: BlobStore,
  signal: AbortSignal | undefined,
): Promise<ResultFault | undefined> {
  if (!kept) return { isMalformed: true, message: 'its file is damaged' };
  try {
    const fn = functionOf(kept.key);
    const result = decodeMessage('an ActionResult', reapi.ActionResult, kept.value);
    return await faultOfResult(result, { blobs, fn }, signal);
  } catch (reason) {
    if (!(reason instanceof StatusError)) throw reason;
    if (reason.code === Code.InvalidArgument) return { isMalformed: true, message: reason.message };
    // A Tree among the blobs that are damaged themselves.
    if (reason.code === Code.DataLoss) return { isMalformed: false, message: reason.message };
    throw reason;
  }
}

/** Keys are `ac/FUNCTION/HASH-SIZE`. */
function functionOf(key: string): Digest['function'] {
  const parts = /^ac\/(?<segment>[^/]+)\/(?<hash>[0-9a-f]+)-(?<size>\d+)$/.exec(key)?.groups;
  const fn = digestFunctionBySegment(parts?.['segment'] ?? '');
  if (parts && fn) return Digest.from(parts['hash'] ?? '', Number(parts['size']), fn).function;
  throw new StatusError(Code.InvalidArgument, 'its key names no action');
}
