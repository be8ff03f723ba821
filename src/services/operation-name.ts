import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { checkInstanceName } from '../digest/instance-name.js';
import type { OperationReference } from '../scheduler/operation-reference.js';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `{instance}/operations/{uuid}`, without the leading part where the instance is the empty one (EX-3). */
export function operationName({ instanceName, id }: OperationReference): string {
  return instanceName === '' ? `operations/${id}` : `${instanceName}/operations/${id}`;
}

/**
 * Reads an operation's name; BuildGrid's `{instance}/{uuid}` and `/{uuid}` too. Throws INVALID_ARGUMENT for what is no
 * such name (OP-1).
 */
export function parseOperationName(name: string): OperationReference {
  const segments = name.split('/');
  const id = segments.pop() ?? '';
  if (!uuid.test(id)) {
    throw new StatusError(
      Code.InvalidArgument,
      `Operation name ${JSON.stringify(name.slice(0, 300))} is malformed: [INSTANCE/]operations/UUID is wanted`,
    );
  }
  if (segments.at(-1) === 'operations') segments.pop();
  return { instanceName: checkInstanceName(segments.join('/')), id: id.toLowerCase() };
}
