import { bgdadmin, type reapi, type wellknown } from '../proto/index.js';
import { secondsAndNanosOf } from '../proto/timestamp.js';
import type { BotDetails, BotLease } from '../scheduler/job-inspection.js';
import type { InspectedJob } from '../scheduler/job-inspector.js';
import type { Attempt, OperationLabels } from '../scheduler/job-store.js';
import { platformOfKey, type OfferedProperties, type Platform } from '../scheduler/platform.js';
import type { Waiting } from '../scheduler/explain-waiting.js';
import type { InstanceExecution } from './instance-registry.js';
import { operationMessage } from './operation-message.js';
import { operationName } from './operation-name.js';

const { ACCEPTING, CLOSED, DRAINED } = bgdadmin.Bot.Status;

/** An Operation with its history. What its client wanted inlined is left out: nobody asks the CAS for it. */
export async function operationDetailsMessage(
  job: InspectedJob,
  execution: InstanceExecution,
): Promise<bgdadmin.OperationDetails.$Properties> {
  const { asOfMs, operation, labels, priority, rank, sharedBy, attempts, waiting } = job;
  const { queuedAtMs, leasedAtMs, startedAtMs, completedAtMs } = operation;
  return {
    operation: await operationMessage({ ...operation, hints: '{}' }, execution),
    asOf: secondsAndNanosOf(asOfMs),
    requestMetadata: requestMetadataOf(labels),
    priority,
    rank,
    platform: { properties: [...platformOfKey(operation.platformKey)] },
    queuedAt: secondsAndNanosOf(queuedAtMs),
    ...timeOf('leasedAt', leasedAtMs),
    ...timeOf('startedAt', startedAtMs),
    ...timeOf('completedAt', completedAtMs),
    sharedBy,
    attempts: attempts.map(attemptMessage),
    ...(waiting && { waiting: waitingMessage(waiting) }),
  };
}

/** What a client has said of itself, as it says it. */
export function requestMetadataOf(labels: OperationLabels): reapi.RequestMetadata.$Properties {
  return { ...labels };
}

/** A bot of `instanceName`. */
export function botMessage(instanceName: string, { botId, isDrained, session }: BotDetails): bgdadmin.Bot.$Properties {
  const ownStatus = session?.isAccepting === true ? ACCEPTING : CLOSED;
  return {
    botId,
    status: isDrained ? DRAINED : ownStatus,
    ...(session && {
      sessionName: session.name,
      properties: propertiesOf(session.offered),
      wildcards: [...session.offered.wildcards],
      expiresAt: secondsAndNanosOf(session.expiresAtMs),
      ...(session.lease && { lease: leaseMessage(instanceName, session.lease) }),
    }),
  };
}

/** What a Lease's id would let others do is the bot's alone: it is not told (S5). */
function attemptMessage(attempt: Attempt): bgdadmin.OperationDetails.Attempt.$Properties {
  const { number, botId, sessionName, leasedAtMs, startedAtMs, endedAtMs, outcome = '', error = '' } = attempt;
  return {
    ...{ number, botId, sessionName, outcome, error },
    leasedAt: secondsAndNanosOf(leasedAtMs),
    ...timeOf('startedAt', startedAtMs),
    ...timeOf('endedAt', endedAtMs),
  };
}

function waitingMessage({ message, ahead, bots }: Waiting): bgdadmin.OperationDetails.Waiting.$Properties {
  return { message, ahead, idleBots: bots.idle, busyBots: bots.busy, drainingBots: bots.draining };
}

function leaseMessage(instanceName: string, lease: BotLease): bgdadmin.Bot.Lease.$Properties {
  const { actionDigest, operationId, leasedAtMs, startedAtMs, isCalledOff } = lease;
  return {
    actionDigest: actionDigest.toProto(),
    digestFunction: actionDigest.function.value,
    ...(operationId !== undefined && { operationName: operationName({ instanceName, id: operationId }) }),
    leasedAt: secondsAndNanosOf(leasedAtMs),
    ...timeOf('startedAt', startedAtMs),
    isCalledOff,
  };
}

function propertiesOf({ values }: OfferedProperties): { name: string; value: string }[] {
  const pairs: Platform = Object.entries(values).flatMap(([name, each]) => each.map((value) => ({ name, value })));
  return [...pairs];
}

function timeOf<Name extends string>(
  name: Name,
  ms: number | undefined,
): Partial<Record<Name, wellknown.Timestamp.$Properties>> {
  return ms === undefined ? {} : ({ [name]: secondsAndNanosOf(ms) } as Record<Name, wellknown.Timestamp.$Properties>);
}
