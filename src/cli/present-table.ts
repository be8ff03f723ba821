import Table from 'cli-table3';

/** Columns are never made narrower than this. */
const minWidth = 8;
const gap = 2;

/**
 * Lays out rows below their headings. Columns that do not fit into `width` are left out, the first of them is cut if
 * enough of it can be shown. The first of all is always whole: that is what people copy.
 */
export function presentTable(head: readonly string[], rows: readonly (readonly string[])[], width = Infinity): string {
  const natural = head.map((text, column) =>
    Math.max(...[text, ...rows.map((row) => row[column] ?? '')].map(lengthOf)),
  );
  const colWidths = fit(natural, width);
  const table = new Table({
    colWidths,
    chars: withoutLines,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap },
  });
  table.push(...[head, ...rows].map((row) => row.slice(0, colWidths.length)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const lengthOf = (text: string): number => text.length;

function fit(natural: readonly number[], width: number): number[] {
  const widths: number[] = [];
  let left = width;
  for (const length of natural) {
    // The last column needs no gap.
    if (widths.length > 0 && left < length) return left < minWidth ? widths : [...widths, left + gap];
    widths.push(length + gap);
    left -= length + gap;
  }
  return widths;
}

const edges = ['top', 'bottom', 'left', 'right', 'mid'];
const withoutLines = Object.fromEntries(
  ['middle', ...edges, ...edges.flatMap((edge) => [`${edge}-mid`, `${edge}-left`, `${edge}-right`])].map((name) => [
    name,
    '',
  ]),
);
