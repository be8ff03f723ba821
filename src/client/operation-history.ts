import type { bgdadmin } from '../proto/index.js';
import { summariseOperation, timeText, type OperationSummary } from './operation-summary.js';
import { textOf } from './text-of.js';

/** A bot that was given an operation's job. Times are ISO 8601. */
export interface AttemptSummary {
  /** From 1; one that does not count has the number of the next. */
  readonly number: number;
  readonly bot: string;
  readonly session: string;
  readonly leasedAt: string | undefined;
  readonly startedAt: string | undefined;
  readonly endedAt: string | undefined;
  /** How it ended; undefined while it goes on. */
  readonly outcome: string | undefined;
  readonly error: string | undefined;
}

/** Why no bot executes an operation yet. */
export interface WaitingSummary {
  /** For people. */
  readonly message: string;
  /** How many jobs of its platform go first, counted up to 1000. */
  readonly ahead: number;
  readonly idleBots: number;
  readonly busyBots: number;
  readonly drainingBots: number;
}

/** All that a `bgd` server tells of an operation. Its times are by the clock of the server's database. */
export interface OperationHistory extends OperationSummary {
  readonly priority: number;
  readonly rank: number;
  readonly platform: readonly { readonly name: string; readonly value: string }[];
  readonly correlatedInvocations: string | undefined;
  /** How many operations wait for the same job, this one included. */
  readonly sharedBy: number;
  readonly leasedAt: string | undefined;
  readonly attempts: readonly AttemptSummary[];
  /** Set while no bot executes it. */
  readonly waiting: WaitingSummary | undefined;
}

/** Puts together what is spread over the messages of an operation's details. */
export function operationHistoryOf(details: bgdadmin.OperationDetails): OperationHistory {
  const { requestMetadata, attempts, waiting, platform } = details;
  const summary = summariseOperation(details.operation ?? {});
  const { toolInvocationId, correlatedInvocationsId, actionMnemonic, targetId } = requestMetadata ?? {};
  return {
    ...summary,
    worker: summary.worker ?? textOf(attempts.at(-1)?.botId),
    invocation: textOf(toolInvocationId),
    mnemonic: textOf(actionMnemonic),
    target: textOf(targetId),
    correlatedInvocations: textOf(correlatedInvocationsId),
    priority: details.priority,
    rank: details.rank,
    platform: pairsOf(platform?.properties),
    sharedBy: details.sharedBy,
    queuedAt: timeText(details.queuedAt),
    leasedAt: timeText(details.leasedAt),
    startedAt: timeText(details.startedAt),
    completedAt: timeText(details.completedAt),
    attempts: attempts.map(attemptOf),
    waiting: waiting ? waitingOf(waiting) : undefined,
  };
}

/** Properties as pairs that lack nothing. */
export function pairsOf(
  properties: readonly { readonly name?: string | null; readonly value?: string | null }[] | null | undefined,
): { readonly name: string; readonly value: string }[] {
  return (properties ?? []).map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }));
}

function attemptOf(attempt: bgdadmin.OperationDetails.Attempt.$Properties): AttemptSummary {
  const { number, botId, sessionName, leasedAt, startedAt, endedAt, outcome, error } = attempt;
  return {
    number: number ?? 0,
    bot: botId ?? '',
    session: sessionName ?? '',
    leasedAt: timeText(leasedAt),
    startedAt: timeText(startedAt),
    endedAt: timeText(endedAt),
    outcome: textOf(outcome),
    error: textOf(error),
  };
}

function waitingOf(waiting: bgdadmin.OperationDetails.Waiting.$Properties): WaitingSummary {
  const { message, ahead, idleBots, busyBots, drainingBots } = waiting;
  return {
    message: message ?? '',
    ahead: ahead ?? 0,
    idleBots: idleBots ?? 0,
    busyBots: busyBots ?? 0,
    drainingBots: drainingBots ?? 0,
  };
}
