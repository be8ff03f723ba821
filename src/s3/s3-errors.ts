import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';

/** What the SDK throws, as far as we look at it. */
interface S3Failure {
  readonly name: string;
  readonly message: string;
  readonly statusCode: number | undefined;
}

const transientStatuses = new Set([408, 429, 500, 502, 503, 504]);

const transientNames = new Set(['RequestTimeout', 'SlowDown', 'ThrottlingException', 'TimeoutError']);

/** The service is there but does not let us in, or not have what we want: an operator must act. */
const refusals = new Set([401, 403]);

function failureOf(reason: unknown): S3Failure {
  const { name, message } = reason instanceof Error ? reason : new Error(String(reason));
  const metadata = reason instanceof Error && '$metadata' in reason ? reason.$metadata : undefined;
  const status = typeof metadata === 'object' && metadata && 'httpStatusCode' in metadata && metadata.httpStatusCode;
  return { name, message, statusCode: typeof status === 'number' ? status : undefined };
}

/** Whether the object, and not its bucket, is what is missing. A HEAD request cannot tell the two apart. */
export function isMissing(reason: unknown): boolean {
  const { name, statusCode } = failureOf(reason);
  return statusCode === 404 && name !== 'NoSuchBucket' && name !== 'NoSuchUpload';
}

/** Whether a multipart upload is over, for one because its completion succeeded without our hearing of it. */
export function isUploadGone(reason: unknown): boolean {
  return failureOf(reason).name === 'NoSuchUpload';
}

/** Whether a range lies beyond the end of the object. */
export function isBeyondEnd(reason: unknown): boolean {
  return failureOf(reason).statusCode === 416;
}

/** Whether the same request may succeed soon: the service is busy, or the line has broken. */
export function isTransientS3(reason: unknown): boolean {
  const { name, statusCode } = failureOf(reason);
  if (transientNames.has(name)) return true;
  if (statusCode !== undefined) return transientStatuses.has(statusCode) || isCutAnswer(statusCode, name);
  return (
    reason instanceof CutBodyError || errnoOf(reason) !== undefined || /aborted|socket hang up/.test(String(reason))
  );
}

/** An answer that broke off may have had a good status before its body could not be read. */
function isCutAnswer(statusCode: number, name: string): boolean {
  return statusCode < 300 && name !== 'AbortError';
}

/** A body ended before all of its bytes had come. */
export class CutBodyError extends Error {
  constructor(found: number, wanted: number) {
    super(`the body ended after ${found} of ${wanted} bytes`);
    this.name = 'CutBodyError';
  }
}

/**
 * Says what a failure of S3 means to a client. The SDK's error stays behind: it holds the whole request, signature and
 * all, and would take that into the log (S6).
 */
export function s3Error(reason: unknown, doing: string, service: string): StatusError {
  if (reason instanceof StatusError) return reason;
  const { name, message, statusCode } = failureOf(reason);
  const text = `${doing} failed: ${service} ${answerOf(statusCode, name, message)}`;
  if (name === 'AbortError') return new StatusError(Code.Cancelled, text);
  if (name === 'NoSuchBucket') return new StatusError(Code.Unavailable, `${text}; create the bucket`);
  if (name === 'CredentialsProviderError') {
    return new StatusError(
      Code.Unavailable,
      `${text}; give access-key and secret-key, or the environment of the AWS SDK`,
    );
  }
  if (refusals.has(statusCode ?? 0)) {
    return new StatusError(Code.Unavailable, `${text}; check the keys, and that they may read, write, delete and list`);
  }
  if (statusCode === 507 || name === 'QuotaExceeded') return new StatusError(Code.ResourceExhausted, text);
  return new StatusError(isTransientS3(reason) ? Code.Unavailable : Code.Internal, text);
}

function answerOf(statusCode: number | undefined, name: string, message: string): string {
  const detail = message === name || message === '' || message === 'UnknownError' ? name : `${name}: ${message}`;
  return statusCode === undefined ? `cannot be used (${detail})` : `answered ${statusCode} (${detail})`;
}
