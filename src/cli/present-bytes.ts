const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A size as people say it, such as `1.5 MiB`. */
export function presentBytes(sizeBytes: number): string {
  const exponent = sizeBytes < 1 ? 0 : Math.min(Math.floor(Math.log2(sizeBytes) / 10), units.length - 1);
  const value = sizeBytes / 2 ** (10 * exponent);
  return `${exponent === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[exponent] ?? ''}`;
}
