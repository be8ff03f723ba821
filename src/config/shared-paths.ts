import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';

/** Two stores that want one place. */
export interface PathClash {
  /** Where the configuration names the place of the later one. */
  readonly path: readonly PropertyKey[];
  /** Where it names that of the earlier one. */
  readonly other: readonly PropertyKey[];
  /** What is wrong, with `%` for where {@link other} stands. */
  readonly message: string;
}

interface Place {
  readonly path: readonly PropertyKey[];
  readonly node: unknown;
  /** As the file has it. */
  readonly text: string;
  /** Without relative parts and symbolic links. */
  readonly real: string;
  /** A store's folder, a database with jobs, or one with other tables, which may share it with each other and with jobs. */
  readonly kind: 'folder' | 'jobs' | 'tables';
}

/**
 * Finds stores that name the same folder, a folder within that of another, or the same SQLite file for jobs, however it is
 * spelt. Aliases of one anchor are one store.
 */
export function sharedPaths(config: unknown): PathClash[] {
  const nodes = new Set<unknown>();
  const places = placesIn(config, []).filter(({ node }) => !nodes.has(node) && nodes.add(node));
  return places.flatMap((place, index) => places.slice(0, index).flatMap((other) => clashOf(place, other) ?? []));
}

function clashOf(place: Place, other: Place): PathClash | undefined {
  const relation = relationOf(place, other);
  if (relation === undefined) return undefined;
  const isAboutJobs = place.kind === 'jobs' && other.kind === 'jobs';
  const wanted = isAboutJobs ? 'name one anchor, or two databases' : 'each store wants a folder of its own';
  const message = `${JSON.stringify(place.text)} ${relation} ${JSON.stringify(other.text)} at %: ${wanted}`;
  return { path: place.path, other: other.path, message };
}

function relationOf(place: Place, other: Place): string | undefined {
  const hasFolder = place.kind === 'folder' || other.kind === 'folder';
  if (place.real === other.real) {
    return hasFolder || (place.kind === 'jobs' && other.kind === 'jobs') ? 'is the same place as' : undefined;
  }
  if (other.kind === 'folder' && isWithin(place, other)) return 'lies within';
  return place.kind === 'folder' && isWithin(other, place) ? 'contains' : undefined;
}

function isWithin(inner: Place, outer: Place): boolean {
  return inner.real.startsWith(outer.real.endsWith(sep) ? outer.real : `${outer.real}${sep}`);
}

function placesIn(value: unknown, path: readonly PropertyKey[]): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.entries(value).flatMap(([key, each]) =>
    placesIn(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  const own = placeOf(value as Record<string, unknown>, path);
  return own ? [own, ...below] : below;
}

/** A tagged map's own place: the folder of a store, or the file of a database. */
function placeOf(map: Record<string, unknown>, path: readonly PropertyKey[]): Place | undefined {
  const { type, node, path: folder, connectionString } = map;
  if (node === undefined) return undefined;
  if (typeof folder === 'string') {
    return { path: [...path, 'path'], node, text: folder, real: realPath(folder), kind: 'folder' };
  }
  const file = typeof connectionString === 'string' ? sqliteFile(connectionString) : undefined;
  if (file === undefined) return undefined;
  const kind = type === 'sql-data-store' ? 'jobs' : 'tables';
  return { path: [...path, 'connectionString'], node, text: file, real: realPath(file), kind };
}

/** `sqlite:///relative.db` or `sqlite:////absolute.db`, as SQLAlchemy has it. */
function sqliteFile(connectionString: string): string | undefined {
  return /^sqlite(?:\+\w+)?:\/\/\/(?<file>.+)$/.exec(connectionString)?.groups?.['file'];
}

/** Follows symbolic links as far as the path exists. */
function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(realPath(parent), basename(absolute));
  }
}
