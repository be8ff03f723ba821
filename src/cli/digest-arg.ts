import { Args } from '@oclif/core';
import { Digest } from '../digest/digest.js';

/** An argument that names a blob: `HASH/SIZE`, also with `-` or `_` in between. */
export const digestArg = Args.custom<Digest>({ parse: async (text) => Digest.parse(text) });
