import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { packAny } from '../proto/any.js';
import { rpc } from '../proto/index.js';

const retryDelaySeconds = 10;

/** RESOURCE_EXHAUSTED with the delay after which a client should come again (RT-1). */
export function queueFullError(maxQueued: number): StatusError {
  const retryInfo = { retryDelay: { seconds: retryDelaySeconds } };
  const { type_url: typeUrl, value } = packAny('google.rpc.RetryInfo', rpc.RetryInfo, retryInfo);
  return new StatusError(
    Code.ResourceExhausted,
    `The queue is full: ${maxQueued} jobs are waiting for bots; try again in ${retryDelaySeconds} s`,
    { details: [{ typeUrl, value }] },
  );
}
