import type { AttemptSummary, OperationHistory } from '../client/operation-history.js';
import { presentState } from './present-operation.js';
import { presentTable } from './present-table.js';

/** All that is known of an operation: a fact a line, a line for each attempt, and what went wrong with it. */
export function presentOperationHistory(operation: OperationHistory, width?: number): string {
  const facts = factsOf(operation).flatMap(([label, value]) => (value ? [`${label}: ${value}`] : []));
  const { attempts } = operation;
  if (attempts.length === 0) return facts.join('\n');
  const table = presentTable(
    ['ATTEMPT', 'BOT', 'OUTCOME', 'LEASED', 'BEGUN', 'ENDED', 'SESSION'],
    attempts.map(rowOf),
    width,
  );
  const errors = attempts.flatMap(({ number, error }) => (error === undefined ? [] : [`attempt ${number}: ${error}`]));
  return [...facts, '', table, ...errors].join('\n');
}

function factsOf(operation: OperationHistory): readonly (readonly [string, string | undefined])[] {
  const { failure, waiting, priority, rank, platform, sharedBy, mnemonic = '', target = '' } = operation;
  return [
    ['name', operation.name],
    ['state', presentState(operation)],
    ['reason', failure?.message],
    ['waits', waiting?.message],
    ['action', operation.actionDigest],
    ['target', `${mnemonic} ${target}`.trim()],
    ['invocation', operation.invocation],
    ['correlated', operation.correlatedInvocations],
    ['platform', platform.map(({ name, value }) => `${name}=${value}`).join(' ')],
    ['priority', String(priority)],
    ['rank', operation.done ? undefined : String(Math.round(rank * 1_000) / 1_000)],
    ['shared by', sharedBy > 1 ? `${sharedBy} operations` : undefined],
    ['queued', operation.queuedAt],
    ['leased', operation.leasedAt],
    ['started', operation.startedAt],
    ['completed', operation.completedAt],
  ];
}

function rowOf(attempt: AttemptSummary): string[] {
  const { number, bot, session, leasedAt, startedAt, endedAt } = attempt;
  const { outcome = startedAt === undefined ? 'leased' : 'executing' } = attempt;
  const leased = (leasedAt ?? '').replace(/\.\d+/, '');
  return [String(number), bot, outcome, leased, since(leasedAt, startedAt), since(leasedAt, endedAt), session];
}

/** Times of one attempt are told from its beginning. */
function since(start: string | undefined, end: string | undefined): string {
  if (start === undefined || end === undefined) return '';
  return `+${((Date.parse(end) - Date.parse(start)) / 1_000).toFixed(1)} s`;
}
