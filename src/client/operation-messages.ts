import type { StatusError } from '../common/status-error.js';
import { unpackAny } from '../proto/any.js';
import { bgdexecution, reapi, type longrunning, type wellknown } from '../proto/index.js';
import { statusErrorOfMessage } from '../proto/status.js';
import { messageNames } from '../proto/wire-names.js';

/** The stage and digest of an operation; `undefined` if it carries none. */
export function executeMetadataOf(
  operation: longrunning.Operation.$Properties,
): reapi.ExecuteOperationMetadata | undefined {
  return unpackAny(messageNames.executeOperationMetadata, reapi.ExecuteOperationMetadata, operation.metadata);
}

/** The response of a finished operation; `undefined` while it runs, or if it failed without one. */
export function executeResponseOf(operation: longrunning.Operation.$Properties): reapi.ExecuteResponse | undefined {
  return unpackAny(messageNames.executeResponse, reapi.ExecuteResponse, operation.response);
}

/**
 * What kept a finished operation from having a result; `undefined` if it has one, whatever its exit code, or still runs.
 * REAPI servers tell it in the response (EX-2), others in `error`.
 */
export function executionFailureOf(operation: longrunning.Operation.$Properties): StatusError | undefined {
  return statusErrorOfMessage(operation.error) ?? statusErrorOfMessage(executeResponseOf(operation)?.status);
}

/** Why an operation waits, for people, where the server is a `bgd` and no connected bot could take it. */
export function whyItWaits(operation: longrunning.Operation.$Properties): string | undefined {
  for (const each of auxiliaryOf(operation)) {
    const unserved = unpackAny(messageNames.unserved, bgdexecution.Unserved, each);
    if (unserved) return unserved.message;
  }
  return undefined;
}

/** What an operation's client said of itself, where the server is a `bgd` and the operation one of a list. */
export function requestMetadataOf(operation: longrunning.Operation.$Properties): reapi.RequestMetadata | undefined {
  for (const each of auxiliaryOf(operation)) {
    const metadata = unpackAny(messageNames.requestMetadata, reapi.RequestMetadata, each);
    if (metadata) return metadata;
  }
  return undefined;
}

function auxiliaryOf(operation: longrunning.Operation.$Properties): readonly wellknown.Any.$Properties[] {
  return executeMetadataOf(operation)?.partialExecutionMetadata?.auxiliaryMetadata ?? [];
}
