import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { encodeResponse } from '../../src/scheduler/execute-responses.js';
import type { NewJob, NewOperation, NewSession, Operation, SessionUpdate } from '../../src/scheduler/job-store.js';
import { LeaseState, type LeaseReport } from '../../src/scheduler/lease.js';
import { platformKeyOf, type OfferedProperties } from '../../src/scheduler/platform.js';

const labels = { toolInvocationId: '', correlatedInvocationsId: '', actionMnemonic: '', targetId: '' };

/** The digest of an Action that is only a name. */
export const actionNamed = (name: string): Digest => Digest.of(Buffer.from(name));

export const noPlatform = platformKeyOf([]);

export const keepaliveMs = 60_000;

export function newJob(name: string, overrides: Partial<NewJob> = {}): NewJob {
  return {
    actionDigest: actionNamed(name),
    platformKey: noPlatform,
    priority: 0,
    isCacheable: true,
    isShared: true,
    ...overrides,
  };
}

export function newOperation(overrides: Partial<NewOperation> = {}): NewOperation {
  return { instanceName: 'main', labels, hints: '{}', ...overrides };
}

export function newSession(botId: string, overrides: Partial<NewSession> = {}): NewSession {
  return { parent: 'main', botId, isAccepting: true, offered: offering({}), keepaliveMs, ...overrides };
}

export function newUpdate(name: string, botId: string, overrides: Partial<SessionUpdate> = {}): SessionUpdate {
  const offered = offering({});
  return { name, botId, isAccepting: true, isLeaving: false, offered, keepaliveMs, reports: [], ...overrides };
}

/** What a bot offers that has one value under each name. */
export function offering(values: Readonly<Record<string, string>>): OfferedProperties {
  return { values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]])), wildcards: [] };
}

export const active = (id: string): LeaseReport => ({ id, state: LeaseState.Active });

/** A Lease that ended well, with a result that `stdout` tells from others. */
export function done(id: string, stdout = 'done'): LeaseReport {
  const result = { stdoutRaw: Buffer.from(stdout) };
  return { id, state: LeaseState.Completed, verdict: { kind: 'done', response: encodeResponse({ result }) } };
}

export function failed(id: string, error: string): LeaseReport {
  return { id, state: LeaseState.Completed, verdict: { kind: 'retry', error } };
}

export function responseOf({ response }: Operation): reapi.ExecuteResponse {
  return reapi.ExecuteResponse.decode(response ?? new Uint8Array());
}

export function stdoutOf(operation: Operation): string {
  return String(Buffer.from(responseOf(operation).result?.stdoutRaw ?? []));
}
