import { Flags } from '@oclif/core';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

const units: Readonly<Record<string, number>> = { '': 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** A flag for a time as BuildGrid writes it: `90` seconds, `30M` minutes, `12H`, `3D` or `1.5W`; given as milliseconds. */
export const ageFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (text) => {
    const { count, unit = '' } = /^(?<count>\d+(?:\.\d+)?)(?<unit>[mhdw]?)$/i.exec(text.trim())?.groups ?? {};
    const ms = Math.round(Number(count) * (units[unit.toLowerCase()] ?? NaN) * 1_000);
    if (Number.isSafeInteger(ms)) return ms;
    const wanted = 'seconds are wanted, or a number with M, H, D or W, such as 12H';
    throw new StatusError(Code.InvalidArgument, `${JSON.stringify(text)} is no time: ${wanted}`);
  },
});
