import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** A place in a configuration file, counted from 1 as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong with a configuration, and where. */
export interface ConfigFault {
  readonly position: Position | undefined;
  readonly message: string;
}

/** All that is wrong with a configuration file, a line each in the order of the file. */
export class ConfigError extends StatusError {
  readonly faults: readonly ConfigFault[];

  constructor(fileName: string, faults: readonly ConfigFault[]) {
    const sorted = [...faults].sort((left, right) => rankOf(left) - rankOf(right));
    const lines = sorted.map(({ position, message }) =>
      position ? `${fileName}:${position.line}:${position.column}: ${message}` : `${fileName}: ${message}`,
    );
    // A fault below an anchor is found once for each of its aliases.
    super(Code.InvalidArgument, [...new Set(lines)].join('\n'));
    this.faults = sorted;
  }
}

function rankOf({ position }: ConfigFault): number {
  return position ? position.line * 10_000 + position.column : 0;
}
