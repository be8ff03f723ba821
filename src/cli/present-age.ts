const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
] as const;

/** A time as short as people say it: `7s`, `12m`, `3h`, `5d`; two units never. */
export function presentAge(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [unit, size] = units.find(([, each]) => whole >= 2 * each) ?? (['s', 1] as const);
  return `${Math.floor(whole / size)}${unit}`;
}
