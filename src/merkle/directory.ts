import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';

/** A node of a Directory, whichever of the three lists it stands in. */
interface NamedNode {
  readonly name?: string | null;
}

/**
 * Decodes a Directory and checks what staging relies on (DIG-12): each name is one path segment, and stands once over
 * files, directories and symlinks. Unsorted lists are accepted. Throws INVALID_ARGUMENT.
 */
export function decodeDirectory(bytes: Uint8Array): reapi.Directory {
  const directory = decodeMessage('a Directory', reapi.Directory, bytes);
  checkDirectory(directory);
  return directory;
}

/** The checks of {@link decodeDirectory} on a message that is decoded already, such as a part of a Tree. */
export function checkDirectory(directory: reapi.Directory.$Properties): void {
  const names = new Set<string>();
  const { files, directories, symlinks } = directory;
  for (const nodes of [files, directories, symlinks]) {
    for (const node of nodes ?? []) checkNode(node, names);
  }
  for (const symlink of symlinks ?? []) {
    if (!symlink.target) {
      throw new StatusError(Code.InvalidArgument, `Symlink ${JSON.stringify(symlink.name)} has an empty target`);
    }
  }
}

function checkNode(node: NamedNode, names: Set<string>): void {
  const name = node.name ?? '';
  if (!isPathSegment(name)) {
    throw new StatusError(
      Code.InvalidArgument,
      `Directory has the name ${JSON.stringify(name)}, which is no path segment`,
    );
  }
  if (names.has(name)) {
    throw new StatusError(Code.InvalidArgument, `Directory has the name ${JSON.stringify(name)} twice`);
  }
  names.add(name);
}

/** Whether `name` can name an entry of a folder: not empty, `.` or `..`, without `/` and NUL, and well-formed UTF-8. */
export function isPathSegment(name: string): boolean {
  // U+FFFD is what the decoder puts in place of bytes that are no UTF-8.
  return name !== '' && name !== '.' && name !== '..' && !/[/\0\uFFFD]/.test(name);
}

/** Sorts by the bytes of UTF-8, which JavaScript's own order is not (DIG-10). */
export function compareByUtf8(left: string, right: string): number {
  return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** A comparison of nodes for `Array.prototype.sort`. */
export function compareByName(left: NamedNode, right: NamedNode): number {
  return compareByUtf8(left.name ?? '', right.name ?? '');
}
