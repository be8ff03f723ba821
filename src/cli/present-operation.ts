import type { OperationSummary } from '../client/operation-summary.js';
import { presentAge } from './present-age.js';
import { presentTable } from './present-table.js';

/** How an operation stands, in a word or two: its stage, or how it ended. */
export function presentState({ stage, done, failure, exitCode, cached }: OperationSummary): string {
  if (!done) return stage;
  if (failure) return failure.code;
  return `exit ${exitCode ?? 0}${cached ? ' (cached)' : ''}`;
}

/** How a list is laid out. */
export interface ListLayout {
  /** Milliseconds since the epoch: ages are told. */
  readonly now: number;
  /** @defaultValue as wide as it is */
  readonly width?: number | undefined;
}

const columns = ['NAME', 'STATE', 'AGE', 'BOT', 'TARGET', 'INVOCATION', 'ACTION'];

/** A line for each operation. */
export function presentOperations(operations: readonly OperationSummary[], { now, width }: ListLayout): string {
  const rows = operations.map((operation) => {
    const { name, worker = '', queuedAt, actionDigest = '', mnemonic = '', target = '', invocation = '' } = operation;
    const age = queuedAt === undefined ? '' : presentAge((now - Date.parse(queuedAt)) / 1_000);
    return [name, presentState(operation), age, worker, `${mnemonic} ${target}`.trim(), invocation, actionDigest];
  });
  // Most servers, and clients, do not tell all of it: what nobody tells takes no room.
  const told = columns.map((_, index) => rows.some((row) => row[index] !== ''));
  const keep = (row: readonly string[]): string[] => row.filter((_, index) => told[index]);
  return presentTable(keep(columns), rows.map(keep), width);
}

/** All that is known of one operation, a fact a line. */
export function presentOperation(operation: OperationSummary): string {
  const { name, failure, actionDigest, worker, queuedAt, startedAt, completedAt } = operation;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['name', name],
    ['state', presentState(operation)],
    ['reason', failure?.message],
    ['action', actionDigest],
    ['worker', worker],
    ['queued', queuedAt],
    ['started', startedAt],
    ['completed', completedAt],
  ];
  return facts.flatMap(([label, value]) => (value ? [`${label}: ${value}`] : [])).join('\n');
}
