/** A figure beside its limit. */
export interface Result {
  readonly name: string;
  readonly figure: string;
  readonly limit: string;
  readonly ratio: number;
  /** The ratio is to be at least that. */
  readonly goal: number;
  readonly stretch?: number;
  /** Where less is better, the ratio is to be at most the goal. */
  readonly isLimit?: boolean;
}

/** Prints a line: figure, limit, ratio, goal, and whether it is met. Nothing fails on a figure. */
export function report({ name, figure, limit, ratio, goal, stretch, isLimit = false }: Result): void {
  const reaches = (wanted: number): boolean => (isLimit ? ratio <= wanted : ratio >= wanted);
  const verdict = stretch !== undefined && reaches(stretch) ? 'met, stretch too' : reaches(goal) ? 'met' : 'MISSED';
  const wanted = `${isLimit ? '<=' : '>='} ${goal}${stretch === undefined ? '' : ` (${stretch})`}`;
  const columns = [name.padEnd(44), figure.padStart(22), limit.padStart(22), ratio.toFixed(2).padStart(6)];
  console.log(`${columns.join('  ')}  ${wanted.padEnd(15)}  ${verdict}`);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** How long `task` takes. */
export async function seconds(task: () => unknown): Promise<number> {
  const start = performance.now();
  await task();
  return (performance.now() - start) / 1000;
}
