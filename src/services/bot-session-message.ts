import { packAny, unpackAny, type AnyMessage } from '../proto/any.js';
import { reapi, rwapi } from '../proto/index.js';
import { secondsAndNanosOf } from '../proto/timestamp.js';
import { messageNames } from '../proto/wire-names.js';
import type { Session } from '../scheduler/job-store.js';
import { LeaseState, isRunning } from '../scheduler/lease.js';
import type { ReportedLease } from '../scheduler/lease-judge.js';
import type { OfferedProperties } from '../scheduler/platform.js';

/** What a worker offers (RW-11): the properties of its first device and its own; a config without value takes any. */
export function offeredBy(worker: rwapi.Worker.$Properties | null | undefined): OfferedProperties {
  const { devices, properties, configs } = rwapi.Worker.create(worker ?? {});
  const [device] = devices;
  const values = new Map<string, string[]>();
  for (const pair of [...(device?.properties ?? []), ...properties, ...configs]) {
    const { key, value } = pairOf(pair);
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  const wildcards = configs.map(pairOf).filter(({ value }) => value === '');
  return { values: Object.fromEntries(values), wildcards: wildcards.map(({ key }) => key) };
}

function pairOf({ key, value }: rwapi.Worker.Property.$Properties): { readonly key: string; readonly value: string } {
  return { key: key ?? '', value: value ?? '' };
}

/** What a bot says of its Leases. A result that does not decode counts as none. */
export function reportedLeases(leases: readonly rwapi.Lease.$Properties[]): ReportedLease[] {
  return leases.map(({ id, state, status, result }) => ({
    id: id ?? '',
    state: stateOf(state),
    status: status ?? undefined,
    result: resultOf(result),
  }));
}

/** The whole session, as its bot is answered. Leases that it has but should not have are called off (RW-7). */
export function botSessionMessage(
  given: rwapi.BotSession.$Properties,
  { name, expiresAtMs, leases }: Session,
  reports: readonly ReportedLease[],
): rwapi.BotSession.$Properties {
  const known = new Set(leases.map(({ id }) => id));
  const strangers = reports.filter(({ id, state }) => !known.has(id) && isRunning(state));
  return {
    name,
    botId: given.botId ?? '',
    status: given.status ?? rwapi.BotStatus.OK,
    worker: given.worker ?? null,
    version: given.version ?? '',
    expireTime: secondsAndNanosOf(expiresAtMs),
    leases: [
      ...leases.map(({ id, state, actionDigest }) => ({
        id,
        state: wireStates[state],
        payload: packAny(messageNames.digest, reapi.Digest, actionDigest.toProto()),
      })),
      ...strangers.map(({ id }) => ({ id, state: rwapi.LeaseState.CANCELLED })),
    ],
  };
}

const wireStates: Readonly<Record<Session['leases'][number]['state'], rwapi.LeaseState>> = {
  [LeaseState.Pending]: rwapi.LeaseState.PENDING,
  [LeaseState.Active]: rwapi.LeaseState.ACTIVE,
  [LeaseState.Cancelled]: rwapi.LeaseState.CANCELLED,
};

const states: ReadonlySet<number> = new Set(Object.values(LeaseState));

function stateOf(state: number | null | undefined): LeaseState {
  return states.has(state ?? 0) ? ((state ?? 0) as LeaseState) : LeaseState.Unspecified;
}

function resultOf(result: AnyMessage | null | undefined): reapi.ActionResult | undefined {
  try {
    return unpackAny(messageNames.actionResult, reapi.ActionResult, result);
  } catch {
    return undefined;
  }
}
