import { Flags } from '@oclif/core';
import { posix } from 'node:path';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** A flag that names what a command leaves behind: relative to its working directory, and below that. */
export const outputPathFlag = Flags.custom({
  parse: async (text) => {
    const path = posix.normalize(text).replace(/\/$/, '');
    if (text !== '' && path !== '.' && path !== '..' && !path.startsWith('../') && !path.startsWith('/')) return path;
    const wanted = 'a relative path below the working directory is wanted';
    throw new StatusError(Code.InvalidArgument, `${JSON.stringify(text)} cannot be an output: ${wanted}`);
  },
});
