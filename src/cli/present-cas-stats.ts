import type { CasStats } from '../client/admin-client.js';
import { presentBytes } from './present-bytes.js';
import { presentTable } from './present-table.js';

/** A line for each store, its parts below it, then what is wrong with any of them. */
export function presentCasStats(stats: CasStats, width?: number): string {
  const lines = linesOf(stats, 0);
  const table = presentTable(
    ['STORE', 'BLOBS', 'SIZE', 'LIMIT', 'USED', 'PLACE', 'MORE'],
    lines.map(({ row }) => row),
    width,
  );
  const troubles = lines.flatMap(({ name, trouble }) => (trouble ? [`${name}: ${trouble}`] : []));
  return [table, ...troubles].join('\n');
}

interface Line {
  readonly name: string;
  readonly row: readonly string[];
  readonly trouble: string | null | undefined;
}

function linesOf(stats: CasStats, depth: number): readonly Line[] {
  const { role, blobs, sizeBytes, maxBytes, trouble } = stats;
  const type = stats.type ?? '';
  const name = role ? `${role}: ${type}` : type;
  const row = [
    '  '.repeat(depth) + name,
    present(blobs, String),
    present(sizeBytes, presentBytes),
    present(maxBytes, presentBytes),
    sizeBytes != null && maxBytes ? `${Math.round((100 * sizeBytes) / maxBytes)} %` : '',
    stats.place ?? '',
    Object.entries(stats.figures ?? {})
      .map(presentFigure)
      .join(', '),
  ];
  return [{ name, row, trouble }, ...(stats.parts ?? []).flatMap((part) => linesOf(part, depth + 1))];
}

/** What is not known stays empty. */
function present(value: number | null | undefined, text: (value: number) => string): string {
  return value == null ? '' : text(value);
}

/** `evictedBlobs` is 7 `evicted blobs`; the unit of bytes goes with the number. */
function presentFigure([name, value]: readonly [string, number]): string {
  const words = name.replace(/Bytes$/, '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${words}: ${name.endsWith('Bytes') ? presentBytes(value) : value}`;
}
