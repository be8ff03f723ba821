import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { packAny } from '../../proto/any.js';
import { rpc } from '../../proto/index.js';
import type { Qualifier } from '../asset.js';

/**
 * Returns the values by name. Throws INVALID_ARGUMENT with a `BadRequest` that names each qualifier that is not in
 * `supported`: content from an origin must match all of them, so none can be left aside.
 */
export function checkQualifiers(
  qualifiers: readonly Qualifier[],
  supported: readonly string[],
): ReadonlyMap<string, string> {
  const unsupported = qualifiers.filter(({ name }) => !supported.includes(name));
  if (unsupported.length === 0) return new Map(qualifiers.map(({ name, value }) => [name, value]));
  const fieldViolations = unsupported.map(({ name }) => ({
    field: 'qualifiers.name',
    description: `${JSON.stringify(name)} not supported`,
  }));
  const { type_url: typeUrl, value } = packAny('google.rpc.BadRequest', rpc.BadRequest, { fieldViolations });
  const names = unsupported.map(({ name }) => JSON.stringify(name)).join(', ');
  throw new StatusError(
    Code.InvalidArgument,
    `Not supported where content is fetched: ${names}; supported are ${supported.join(', ')}`,
    { details: [{ typeUrl, value }] },
  );
}
