import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';

/** An SQLSTATE: two characters for the class of the error, three for itself. */
const sqlState = /^[0-9A-Z]{5}$/;

/** Classes and codes of trouble that may pass (U5): lost connections, no room for one more, a server that stops or starts. */
const transient = /^(08|53|57P|58)|^(40001|40P01|55P03|25006)$/;

const refusals = /^(28|3D)/;

const diskFull = '53100';
const queryCancelled = '57014';

/** What the driver and the pool say when there is no connection, or none any more. They give it no code. */
const lostConnection =
  /Connection terminated|Connection ended|not queryable|timeout expired|Timeout acquiring a connection|does not support SSL|No answer/;

/** Node's names for trouble of the network and of TLS. */
const networkError =
  /^E[A-Z_]+$|^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_|ERR_SSL_)/;

/** Whether the database ended a transaction for the sake of others, so that the same one may succeed at once. */
export function wasSacrificed(reason: unknown): boolean {
  const code = errnoOf(reason);
  return code === '40001' || code === '40P01';
}

/** Whether the server is there, and will not let us in for as long as the configuration stays as it is. */
export function isRefusal(reason: unknown): boolean {
  const code = errnoOf(reason) ?? '';
  if (sqlState.test(code)) return refusals.test(code);
  return /CERT|TLS|SSL/.test(code) || messageOf(reason).includes('does not support SSL');
}

/**
 * Says what a failure of PostgreSQL means to a caller. `service` names it to a person. What is no such failure, or is the
 * fault of a statement, comes back as it is.
 */
export function postgresError(reason: unknown, service: string): unknown {
  if (reason instanceof StatusError) return reason;
  const code = errnoOf(reason) ?? '';
  const text = sqlState.test(code) ? answerOf(code, reason) : lossOf(code, reason);
  if (text === undefined) return reason;
  const kind = code === diskFull ? Code.ResourceExhausted : Code.Unavailable;
  return new StatusError(kind, `${service} ${text}`, { cause: reason });
}

function answerOf(code: string, reason: unknown): string | undefined {
  if (code === diskFull) return `has no room on its disk (${code})`;
  if (code === queryCancelled) return `took too long to answer (${code})`;
  if (!transient.test(code) && !refusals.test(code)) return undefined;
  return `cannot be used at the moment (${code}: ${explanation(reason)})`;
}

function lossOf(code: string, reason: unknown): string | undefined {
  const isLost = networkError.test(code) || lostConnection.test(messageOf(reason));
  return isLost ? `cannot be reached (${explanation(reason)})` : undefined;
}

/** The driver's own sentence, without the statement that knex puts before it. */
export function explanation(reason: unknown): string {
  const message = messageOf(reason).split(' - ').at(-1) ?? '';
  return message === '' ? (errnoOf(reason) ?? 'no message') : message;
}

function messageOf(reason: unknown): string {
  // All addresses of a name were tried, and none answered.
  if (reason instanceof AggregateError && reason.message === '') return reason.errors.map(messageOf).join('; ');
  return reason instanceof Error ? reason.message : String(reason);
}
