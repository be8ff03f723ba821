import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { remoteasset } from '../proto/index.js';
import type { Qualifier } from './asset.js';

/** The canonical form of what a request says: sorted by name. Throws INVALID_ARGUMENT if a name is empty or there twice. */
export function qualifiersOf(messages: readonly remoteasset.Qualifier.$Properties[]): readonly Qualifier[] {
  const byName = new Map<string, string>();
  for (const { name, value } of messages) {
    if (!name) throw new StatusError(Code.InvalidArgument, 'A qualifier has no name');
    if (byName.has(name)) {
      throw new StatusError(Code.InvalidArgument, `Qualifier ${JSON.stringify(name)} is there twice: names are unique`);
    }
    byName.set(name, value ?? '');
  }
  return [...byName].map(([name, value]) => ({ name, value })).sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** Whether `all` has each of `wanted`, with the same value. */
export function includesQualifiers(all: readonly Qualifier[], wanted: readonly Qualifier[]): boolean {
  const values = new Map(all.map(({ name, value }) => [name, value]));
  return wanted.every(({ name, value }) => values.get(name) === value);
}
