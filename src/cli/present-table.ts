import Table from 'cli-table3';

/** Columns are never made narrower than this. */
const minWidth = 8;
const gap = 2;

/**
 * Lays out rows below their headings. Where they are wider than `width`, the widest columns are cut, but never the first:
 * that is what people copy.
 */
export function presentTable(head: readonly string[], rows: readonly (readonly string[])[], width = Infinity): string {
  const table = new Table({
    colWidths: fit(
      head.map((text, column) => Math.max(...[text, ...rows.map((row) => row[column] ?? '')].map(lengthOf))),
      width,
    ),
    chars: withoutLines,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap },
  });
  table.push([...head], ...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const lengthOf = (text: string): number => text.length;

function fit(natural: readonly number[], width: number): number[] {
  const widths = natural.map((length) => length + gap);
  for (;;) {
    const total = widths.reduce((sum, length) => sum + length, 0);
    const widest = widths
      .slice(1)
      .reduce((best, length, index) => (length > (widths[best] ?? 0) ? index + 1 : best), 1);
    const found = widths[widest] ?? 0;
    if (total <= width || found <= minWidth) return widths;
    widths[widest] = Math.max(minWidth, found - (total - width));
  }
}

const edges = ['top', 'bottom', 'left', 'right', 'mid'];
const withoutLines = Object.fromEntries(
  ['middle', ...edges, ...edges.flatMap((edge) => [`${edge}-mid`, `${edge}-left`, `${edge}-right`])].map((name) => [
    name,
    '',
  ]),
);
