import { styleText } from 'node:util';

/** Colours only for people: on a terminal that knows them, and not where NO_COLOR forbids them (no-color.org). */
const isColourful = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';

function styled(style: Parameters<typeof styleText>[0], text: string): string {
  return isColourful ? styleText(style, text) : text;
}

/** Prints a line. */
export function print(line: string): void {
  console.log(line);
}

/** Prints a line that begins a part. */
export function printHeading(text: string): void {
  console.log(`\n${styled('bold', text)}`);
}

/** Does `work` and prints one line: how long it took, what it was, and what `work` says of it. */
export async function step(title: string, work: () => Promise<string>): Promise<void> {
  const started = performance.now();
  const outcome = await work();
  const seconds = ((performance.now() - started) / 1000).toFixed(2).padStart(6);
  console.log(`${styled('dim', `${seconds} s`)}  ${title}${outcome ? `: ${styled('green', outcome)}` : ''}`);
}
