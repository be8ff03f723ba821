import { Args } from '@oclif/core';

/** An argument that names an operation as `execute` and `operation list` print it. */
export const operationArg = Args.string({
  name: 'name',
  description: 'Name of the operation, as bgd operation list shows it.',
  required: true,
});
