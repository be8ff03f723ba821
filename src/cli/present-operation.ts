import type { OperationSummary } from '../client/operation-summary.js';
import { presentTable } from './present-table.js';

/** How an operation stands, in a word or two: its stage, or how it ended. */
export function presentState({ stage, done, failure, exitCode, cached }: OperationSummary): string {
  if (!done) return stage;
  if (failure) return failure.code;
  return `exit ${exitCode ?? 0}${cached ? ' (cached)' : ''}`;
}

/** A line for each operation. */
export function presentOperations(operations: readonly OperationSummary[], width?: number): string {
  const rows = operations.map((operation) => {
    const { name, worker = '', queuedAt = '', actionDigest = '' } = operation;
    return [name, presentState(operation), worker, queuedAt.replace(/\.\d+/, ''), actionDigest];
  });
  return presentTable(['NAME', 'STATE', 'WORKER', 'QUEUED', 'ACTION'], rows, width);
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
