import type { LogLevel } from './logger-flags.js';

/** A line as pino writes it. */
export interface LogLine {
  readonly level: LogLevel;
  readonly time: string;
  readonly msg: string;
  readonly err?: { readonly message: string };
  readonly [field: string]: unknown;
}

const colours: Record<LogLevel, number> = { error: 31, warn: 33, info: 32, debug: 90 };

/** Lays a log line out for a person: time, level, sentence, then the facts as `name=value`, the failure last. */
export function prettyLine({ level, time, msg, err, ...fields }: LogLine, hasColours: boolean): string {
  const label = level.toUpperCase().padEnd(5);
  const facts = Object.entries(fields).map(([name, value]) => ` ${name}=${textOf(value)}`);
  const failure = err ? `: ${err.message}` : '';
  const coloured = hasColours ? `\u001B[${colours[level]}m${label}\u001B[0m` : label;
  return `${time.slice(11, 23)} ${coloured} ${msg}${facts.join('')}${failure}\n`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' && !/\s/.test(value) ? value : JSON.stringify(value);
}
