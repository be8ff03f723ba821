import { Code } from './code.js';
import { StatusError } from './status-error.js';

const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Reads a number of bytes as BuildGrid's files write it: `2048M`, `10kb`, `2097152`; units are powers of 1024. */
export function parseSize(text: string | number): number {
  const parts = /^(?<count>\d+) ?(?<unit>[kmgt]?)b?$/i.exec(String(text).trim())?.groups;
  const sizeBytes = Number(parts?.['count']) * (units[parts?.['unit']?.toLowerCase() ?? ''] ?? NaN);
  if (Number.isSafeInteger(sizeBytes)) return sizeBytes;
  throw new StatusError(
    Code.InvalidArgument,
    `${JSON.stringify(text)} is not a size: a whole number with an optional K, M, G or T is wanted, such as 2048M`,
  );
}
