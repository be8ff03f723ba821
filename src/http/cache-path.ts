import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { type DigestFunction, digestFunctions } from '../digest/digest-function.js';

/** What a path of the HTTP cache names. */
export type CachePath =
  | { readonly kind: 'cas' | 'ac'; readonly prefix: string; readonly hash: string; readonly fn: DigestFunction }
  | { readonly kind: 'value'; readonly key: string }
  | { readonly kind: 'folder' };

/** What URLs may have without a percent sign, less `/`, and escapes. */
const segmentForm = /^(?:[\w.~!$&'()*+,;=:@-]|%[\dA-Fa-f]{2})+$/;

const maxPathLength = 900;

/**
 * Reads `[PREFIX/]cas/HASH` and `[PREFIX/]ac/HASH`, as Bazel lays them out; any other path is the key of a value. The
 * digest function shows in the length of the hash. Throws INVALID_ARGUMENT for a path that could mean a place elsewhere
 * (S1), though no path is ever the name of a file.
 */
export function parseCachePath(path: string): CachePath {
  const segments = path.split('/').filter((segment) => segment !== '');
  if (path.length > maxPathLength) throw malformed(path, `at most ${maxPathLength} characters`);
  if (!path.startsWith('/') || !segments.every(isPlain)) throw malformed(path, 'a plain one, such as /cas/HASH');
  const hash = segments.at(-1) ?? '';
  const kind = segments.at(-2);
  const fn = digestFunctions.find((each) => !each.isNamedInResources && each.hashes(hash));
  if (fn && (kind === 'cas' || kind === 'ac')) return { kind, prefix: segments.slice(0, -2).join('/'), hash, fn };
  return path.endsWith('/') ? { kind: 'folder' } : { kind: 'value', key: segments.join('/') };
}

function isPlain(segment: string): boolean {
  if (!segmentForm.test(segment)) return false;
  return !/^\.{1,2}$/.test(segment.replace(/%2e/gi, '.')) && !/%(?:00|2f|5c)/i.test(segment);
}

function malformed(path: string, wanted: string): StatusError {
  return new StatusError(
    Code.InvalidArgument,
    `Path ${JSON.stringify(path.slice(0, 200))} is malformed: ${wanted} is wanted`,
  );
}
