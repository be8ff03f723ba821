import { Flags } from '@oclif/core';
import { parseSize } from '../common/size.js';

/** A flag for a number of bytes, such as `100G`. */
export const sizeFlag = Flags.custom<number>({ helpValue: 'SIZE', parse: async (text) => parseSize(text) });
