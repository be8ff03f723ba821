import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import { parseReadResource } from '../digest/resource-name.js';
import { unpackAny, type MessageType } from '../proto/any.js';
import { rpc } from '../proto/index.js';
import { millisecondsOf } from '../proto/timestamp.js';

/** A server that asks for more than this is not obeyed to the letter. */
const maxWantedDelayMs = 60_000;

/** How long the server wants to be left alone, if it says so (CL-7); 0 otherwise. */
export function retryDelayMsOf(reason: unknown): number {
  const info = detailOf(reason, 'google.rpc.RetryInfo', rpc.RetryInfo);
  return Math.min(maxWantedDelayMs, Math.max(0, millisecondsOf(info?.retryDelay) ?? 0));
}

/**
 * The blobs that a server misses, when that is all it complains of (EX-9): uploading them and asking again is then worth
 * while (CL-4). Empty for every other failure.
 */
export function missingBlobsOf(reason: unknown): Digest[] {
  if (!(reason instanceof StatusError) || reason.code !== Code.FailedPrecondition) return [];
  const failure = detailOf(reason, 'google.rpc.PreconditionFailure', rpc.PreconditionFailure);
  const digests: Digest[] = [];
  for (const { type, subject } of failure?.violations ?? []) {
    const digest = type === 'MISSING' ? digestOf(subject ?? '') : undefined;
    if (!digest) return [];
    digests.push(digest);
  }
  return digests;
}

function digestOf(subject: string): Digest | undefined {
  try {
    return parseReadResource(subject).digest;
  } catch {
    return undefined;
  }
}

function detailOf<Message>(reason: unknown, fullName: string, type: MessageType<Message, never>): Message | undefined {
  const details = reason instanceof StatusError ? reason.details : [];
  for (const { typeUrl, value } of details) {
    try {
      const message = unpackAny(fullName, type, { type_url: typeUrl, value });
      if (message !== undefined) return message;
    } catch {
      // A detail that does not decode says nothing.
    }
  }
  return undefined;
}
