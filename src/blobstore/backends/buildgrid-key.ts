import { Digest } from '../../digest/digest.js';
import { SHA256, digestFunctionBySegment } from '../../digest/digest-function.js';

/** The key under which BuildGrid keeps a blob, so that its stores stay valid; other functions have a folder each. */
export function buildGridKey(digest: Digest): string {
  const key = `${digest.hash}_${digest.sizeBytes}`;
  return digest.function === SHA256 ? key : `${digest.function.segment}/${key}`;
}

const form = /^(?:(?<segment>[a-z0-9]+)\/)?(?<hash>[0-9a-f]+)_(?<size>[1-9]\d{0,14})$/;

/** The blob that {@link buildGridKey} gives this key, if there is one. */
export function digestOfBuildGridKey(key: string): Digest | undefined {
  const { segment, hash = '', size } = form.exec(key)?.groups ?? {};
  const fn = segment === undefined ? SHA256 : digestFunctionBySegment(segment);
  const isKey = fn?.hashes(hash) === true && (segment === undefined || fn !== SHA256);
  return isKey ? Digest.from(hash, Number(size), fn) : undefined;
}
