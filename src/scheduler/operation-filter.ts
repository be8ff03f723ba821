import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { Stage } from './stage.js';

const operators = ['!=', '>=', '<=', '=', '>', '<'] as const;

/** How a condition compares. */
export type Operator = (typeof operators)[number];

/** What Operations can be chosen by (OP-3). */
export type OperationField =
  | 'stage'
  | 'action_digest'
  | 'queued_time'
  | 'tool_invocation_id'
  | 'correlated_invocations_id'
  | 'action_mnemonic'
  | 'target_id';

/** One part of a filter. Times are milliseconds since the epoch, stages their numbers. */
export interface OperationCondition {
  readonly field: OperationField;
  readonly operator: Operator;
  readonly value: string | number;
}

const equality: readonly Operator[] = ['=', '!='];
const text = { operators: equality, parse: (value: string): string => value };

const fields: Readonly<
  Record<OperationField, { readonly operators: readonly Operator[]; parse(value: string): string | number }>
> = {
  stage: { operators, parse: parseStage },
  action_digest: { operators: equality, parse: (value) => String(Digest.parse(value)) },
  queued_time: { operators, parse: parseTime },
  tool_invocation_id: text,
  correlated_invocations_id: text,
  action_mnemonic: text,
  target_id: text,
};

const term = new RegExp(`^(?<key>\\w+)\\s*(?<operator>${operators.join('|')})(?<value>.*)$`, 's');

/** SQLite takes no expression that is much deeper. */
const maxConditions = 100;

/** Parses `stage=queued & queued_time>2026-01-01T00:00:00Z`. Throws INVALID_ARGUMENT. */
export function parseOperationFilter(filter: string): OperationCondition[] {
  if (filter.trim() === '') return [];
  const parts = filter.split('&', maxConditions + 1);
  if (parts.length > maxConditions) throw malformed(filter, `no more than ${maxConditions} conditions`);
  return parts.map(parseTerm);
}

function parseTerm(part: string): OperationCondition {
  // Trimmed here: an expression that trims takes quadratic time over long blanks.
  const groups = term.exec(part.trim())?.groups;
  if (!groups) throw malformed(part, 'KEY OPERATOR VALUE, joined by &');
  const { key = '', value = '' } = groups;
  if (!isField(key)) throw malformed(part, `a key out of ${Object.keys(fields).join(', ')}`);
  const operator = groups['operator'] as Operator;
  if (!fields[key].operators.includes(operator)) throw malformed(part, `an operator out of ${equality.join(', ')}`);
  return { field: key, operator, value: fields[key].parse(value.trim()) };
}

function isField(key: string): key is OperationField {
  return Object.hasOwn(fields, key);
}

function parseStage(value: string): Stage {
  const wanted = value.toLowerCase();
  const found = Object.entries(Stage).find(([name]) => name.toLowerCase() === wanted)?.[1];
  if (found === undefined) throw malformed(value, 'a stage out of QUEUED, EXECUTING, COMPLETED');
  return found;
}

function parseTime(value: string): number {
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) throw malformed(value, 'a time such as 2026-01-31T12:00:00Z');
  return ms;
}

function malformed(part: string, wanted: string): StatusError {
  return new StatusError(
    Code.InvalidArgument,
    `Filter has ${JSON.stringify(part.trim().slice(0, 200))} where ${wanted} is wanted`,
  );
}
