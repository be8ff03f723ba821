import { Flags } from '@oclif/core';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** A flag for a time in seconds, given as milliseconds. */
export const secondsFlag = Flags.custom<number>({
  helpValue: 'SECONDS',
  parse: async (text) => {
    const ms = Math.round(Number(text) * 1000);
    if (/^[\d.]+$/.test(text) && ms > 0 && Number.isSafeInteger(ms)) return ms;
    throw new StatusError(Code.InvalidArgument, `${JSON.stringify(text)} is no time: a number of seconds is wanted`);
  },
});
