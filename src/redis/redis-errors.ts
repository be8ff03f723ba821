import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** A key holds another type of value than the one that was asked for. */
export class WrongTypeError extends StatusError {}

/** How replies begin that mean "not now". */
const passing = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|UNBLOCKED)\b/;

/** How replies begin when we are not let in. */
const refused = /^(NOAUTH|WRONGPASS|NOPERM|ERR .*(AUTH|password))/;

/**
 * Says what a failure of Redis means to a client. The client library's error stays behind: it holds the command with its
 * arguments, be it the password (S6).
 */
export function redisError(reason: unknown, doing: string, service: string): StatusError {
  if (reason instanceof StatusError) return reason;
  const { name, message } = reason instanceof Error ? reason : new Error(String(reason));
  if (name !== 'ReplyError') {
    return new StatusError(Code.Unavailable, `${doing} failed: ${service} cannot be reached (${message})`);
  }
  const text = `${doing} failed: ${service} answered (${message.slice(0, 200)})`;
  if (message.startsWith('WRONGTYPE')) return new WrongTypeError(Code.FailedPrecondition, text);
  if (message.startsWith('OOM')) return new StatusError(Code.ResourceExhausted, text);
  if (refused.test(message)) return new StatusError(Code.Unavailable, `${text}; check the password`);
  return new StatusError(passing.test(message) ? Code.Unavailable : Code.Internal, text);
}
