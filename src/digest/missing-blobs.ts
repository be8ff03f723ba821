import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { packAny } from '../proto/any.js';
import { rpc } from '../proto/index.js';
import type { Digest } from './digest.js';
import { blobPath } from './resource-name.js';

/** How many digests the message spells out; the details name them all. */
const namedInMessage = 3;

/**
 * What the protocol wants said of absent inputs (EX-9): FAILED_PRECONDITION with one `PreconditionFailure` that names
 * every missing blob, each once. Clients upload exactly those and try again, so the list must be complete.
 */
export function missingBlobsError(digests: readonly Digest[], options?: ErrorOptions): StatusError {
  const distinct = [...new Map(digests.map((digest) => [digest.key, digest])).values()];
  const violations = distinct.map((digest) => ({ type: 'MISSING', subject: blobPath(digest) }));
  const { type_url: typeUrl, value } = packAny('google.rpc.PreconditionFailure', rpc.PreconditionFailure, {
    violations,
  });
  return new StatusError(Code.FailedPrecondition, messageFor(distinct), { ...options, details: [{ typeUrl, value }] });
}

function messageFor(digests: readonly Digest[]): string {
  const named = digests.slice(0, namedInMessage).map(String).join(', ');
  const others = digests.length - namedInMessage;
  const count = digests.length === 1 ? '1 blob is' : `${digests.length} blobs are`;
  return `${count} missing from the CAS: ${named}${others > 0 ? ` and ${others} more` : ''}; upload and try again`;
}
