import { Flags } from '@oclif/core';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** A flag whose value is `NAME=VALUE`; the value may be empty and may hold further `=`. Use it with `multiple`. */
export const pairFlag = Flags.custom<readonly [name: string, value: string]>({
  parse: async (text) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name !== undefined && value !== undefined) return [name, value];
    throw new StatusError(Code.InvalidArgument, `${JSON.stringify(text)} is no pair: NAME=VALUE is wanted`);
  },
});
