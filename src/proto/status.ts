import { Code, codeName, codeOf } from '../common/code.js';
import { StatusError, type StatusDetail } from '../common/status-error.js';
import type { rpc } from './index.js';

/** A failure as a `google.rpc.Status`, with its details; OK for none. */
export function statusMessageOf(failure: StatusError | undefined): rpc.Status.$Properties {
  if (!failure) return { code: Code.Ok };
  const { code, message, details } = failure;
  return { code, message, details: details.map(({ typeUrl, value }) => ({ type_url: typeUrl, value })) };
}

/** The failure that a status inside of a message tells of; `undefined` if it tells of success. */
export function statusErrorOfMessage(status: rpc.Status.$Properties | null | undefined): StatusError | undefined {
  const code = codeOf(status?.code);
  if (!status || code === Code.Ok) return undefined;
  return new StatusError(code, status.message ?? codeName(code), { details: statusDetails(status) });
}

/** The details of a status message as a {@link StatusError} carries them. */
export function statusDetails(status: rpc.Status.$Properties): readonly StatusDetail[] {
  return (status.details ?? []).map(({ type_url: typeUrl, value }) => ({
    typeUrl: typeUrl ?? '',
    value: value ?? new Uint8Array(),
  }));
}
