import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { digestFunctionBySegment, digestFunctionOf } from './digest-function.js';
import { Digest } from './digest.js';
import { checkInstanceName } from './instance-name.js';

/** What a ByteStream resource name says. */
export interface ReadResource {
  readonly instanceName: string;
  readonly digest: Digest;
  /** The compressor's segment in lower case; undefined for plain bytes. */
  readonly compressor: string | undefined;
}

/** What a ByteStream upload's resource name says. */
export interface WriteResource extends ReadResource {
  readonly uuid: string;
}

/** Names are kept as long as their uploads. What may stand behind the size is a path, at the most. */
const maxNameLength = 8 * 1024;

/** Parses `[instance/]blobs/[fn/]hash/size` and its compressed form (BS-1 to BS-3). Throws INVALID_ARGUMENT. */
export function parseReadResource(name: string): ReadResource {
  const segments = segmentsOf(name);
  const start = segments.findIndex((segment) => segment === 'blobs' || segment === 'compressed-blobs');
  if (start < 0) throw malformed(name, '[INSTANCE/]blobs/HASH/SIZE');
  const instanceName = instanceNameOf(name, segments.slice(0, start));
  const { rest, ...blob } = parseBlob(name, segments.slice(start));
  if (rest.length > 0) throw malformed(name, '[INSTANCE/]blobs/HASH/SIZE with nothing behind the size');
  return { instanceName, ...blob };
}

/** Parses `[instance/]uploads/uuid/blobs/[fn/]hash/size[/…]` and its compressed form. Throws INVALID_ARGUMENT. */
export function parseWriteResource(name: string): WriteResource {
  const segments = segmentsOf(name);
  const start = segments.indexOf('uploads');
  const uuid = segments[start + 1];
  if (start < 0 || !uuid) throw malformed(name, '[INSTANCE/]uploads/UUID/blobs/HASH/SIZE');
  const instanceName = instanceNameOf(name, segments.slice(0, start));
  const { digest, compressor } = parseBlob(name, segments.slice(start + 2));
  return { instanceName, uuid, digest, compressor };
}

/** The name under which a blob is read: plain, or as `compressor` makes it. */
export function readResourceName(instanceName: string, digest: Digest, compressor?: string): string {
  return prefixed(instanceName, transferPath(digest, compressor));
}

/** The name under which a blob is written: plain, or as `compressor` makes it. */
export function writeResourceName(instanceName: string, uuid: string, digest: Digest, compressor?: string): string {
  return prefixed(instanceName, `uploads/${uuid}/${transferPath(digest, compressor)}`);
}

/** `blobs/[fn/]hash/size`: also the subject of a MISSING violation (EX-9). */
export function blobPath(digest: Digest): string {
  const fn = digest.function.isNamedInResources ? `${digest.function.segment}/` : '';
  return `blobs/${fn}${digest.hash}/${digest.sizeBytes}`;
}

function transferPath(digest: Digest, compressor: string | undefined): string {
  const path = blobPath(digest);
  return compressor === undefined ? path : `compressed-blobs/${compressor}/${path.slice('blobs/'.length)}`;
}

function segmentsOf(name: string): string[] {
  if (name.length <= maxNameLength) return name.split('/');
  throw malformed(name, `a name of at most ${maxNameLength} characters, not ${name.length},`);
}

/** No segments are the empty name; so is one empty segment, as in `/blobs/…`: moon writes the empty name so. */
function instanceNameOf(name: string, segments: readonly string[]): string {
  if (segments[0] === '' && segments.length > 1) throw malformed(name, 'no slash in front');
  return checkInstanceName(segments.join('/'));
}

function prefixed(instanceName: string, path: string): string {
  return instanceName === '' ? path : `${instanceName}/${path}`;
}

interface BlobPath {
  readonly digest: Digest;
  readonly compressor: string | undefined;
  readonly rest: readonly string[];
}

function parseBlob(name: string, [kind, ...behind]: readonly string[]): BlobPath {
  if (kind === 'blobs') return { compressor: undefined, ...parseDigest(name, behind) };
  if (kind !== 'compressed-blobs') throw malformed(name, 'blobs or compressed-blobs before the hash');
  const [compressor, ...digest] = behind;
  if (!compressor) throw malformed(name, 'a compressor behind compressed-blobs');
  return { compressor, ...parseDigest(name, digest) };
}

/** `[fn/]hash/size` and what stands behind it. The function is named exactly where its hashes do not tell it (DIG-5). */
function parseDigest(name: string, segments: readonly string[]): Pick<BlobPath, 'digest' | 'rest'> {
  const named = digestFunctionBySegment(segments[0] ?? '');
  const isNamed = named?.isNamedInResources === true;
  const [hash = '', size = '', ...rest] = isNamed ? segments.slice(1) : segments;
  if (!/^\d{1,19}$/.test(size)) throw malformed(name, 'a decimal size behind the hash');
  return { digest: Digest.from(hash, Number(size), isNamed ? named : digestFunctionOf(0, hash)), rest };
}

function malformed(name: string, wanted: string): StatusError {
  return new StatusError(
    Code.InvalidArgument,
    `Resource name ${JSON.stringify(name.slice(0, 300))} is malformed: ${wanted} is wanted`,
  );
}
