import type { BlobStore } from '../blobstore/blob-store.js';
import { readInputMessage } from '../blobstore/read-message.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { missingBlobsError } from '../digest/missing-blobs.js';
import { reapi } from '../proto/index.js';
import { millisecondsOf } from '../proto/timestamp.js';
import type { Platform } from '../scheduler/platform.js';
import { checkCommand } from './check-command.js';

/** What the scheduler must know of an Action. */
export interface ActionSummary {
  readonly doNotCache: boolean;
  /** `undefined` where the Action leaves it to the server (EX-11). */
  readonly timeoutMs: number | undefined;
  readonly platform: Platform;
  readonly inputRootDigest: Digest;
}

/** Real ones have some hundred bytes, and some kilobytes: a crafted one must not be able to fill the memory (U4). */
const maxActionBytes = 1024 * 1024;
const maxCommandBytes = 4 * 1024 * 1024;

/**
 * Reads an Action and its Command, and checks them as far as can be done without its inputs. Throws INVALID_ARGUMENT for
 * what can never be executed, and FAILED_PRECONDITION naming every blob that is missing (EX-9): of the inputs, only the
 * root is looked for here.
 */
export async function readAction(blobs: BlobStore, digest: Digest, signal?: AbortSignal): Promise<ActionSummary> {
  const action = await readInputMessage(
    blobs,
    { what: 'an Action', digest, type: reapi.Action, maxBytes: maxActionBytes },
    signal,
  );
  const fn = digest.function;
  const commandDigest = required('command_digest', action.commandDigest, fn);
  const inputRootDigest = required('input_root_digest', action.inputRootDigest, fn);
  // The empty blob is always there (DIG-6).
  const needed = [commandDigest, inputRootDigest].filter(({ isEmpty }) => !isEmpty);
  const missing = await blobs.findMissing(needed, signal);
  if (missing.length > 0) throw missingBlobsError(missing);
  const command = await readInputMessage(
    blobs,
    { what: 'a Command', digest: commandDigest, type: reapi.Command, maxBytes: maxCommandBytes },
    signal,
  );
  checkCommand(command);
  const timeoutMs = millisecondsOf(action.timeout);
  return {
    doNotCache: action.doNotCache,
    timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
    platform: platformOf(action, command),
    inputRootDigest,
  };
}

/** EX-12: that of the Action if it is there at all, else that of the Command; never a mixture. */
function platformOf(action: reapi.Action, command: reapi.Command): Platform {
  const { properties } = action.platform ?? command.platform ?? {};
  return (properties ?? []).map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }));
}

function required(field: string, message: DigestMessage | null | undefined, fn: DigestFunction): Digest {
  if (!message) throw new StatusError(Code.InvalidArgument, `The Action has no ${field}`);
  return Digest.fromProto(message, fn);
}
