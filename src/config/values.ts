import { z } from 'zod';
import { StatusError } from '../common/status-error.js';
import { parseSize } from '../common/size.js';

/** Bytes, as a number or as a text such as `10G`. */
export const size = z.union([z.string(), z.int()]).transform((text, context) => {
  try {
    return parseSize(text);
  } catch (reason) {
    context.addIssue(StatusError.from(reason).message);
    return z.NEVER;
  }
});

/** A file or folder. */
export const path = z.string().min(1);

/** Port 0 is a free one. */
export const port = z.int().min(0).max(65_535);

/** A text that says something. */
export const text = z.string().min(1);

/** Names that are to differ within a list. */
export function eachNameOnce(all: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  for (const [index, { name }] of all.entries()) {
    if (all.findIndex((other) => other.name === name) === index) continue;
    context.addIssue({ code: 'custom', path: [index, 'name'], message: `${JSON.stringify(name)} is there already` });
  }
}
