import type { Logger } from '../common/logger.js';
import { prettyLine, type LogLine } from './pretty-line.js';
import type { LogLevel } from './logger-flags.js';

/** Values of the logger's flags. */
export interface LoggerOptions {
  readonly 'log-level': LogLevel;
  readonly verbose: boolean;
}

/**
 * Returns a logger that writes to stderr at once: plain lines where a person reads along, else one JSON object a line.
 * Loads pino, so that commands which log nothing need not.
 */
export async function createLogger(
  options: LoggerOptions,
  stream: typeof process.stderr = process.stderr,
): Promise<Logger> {
  const { destination, pino, stdSerializers, stdTimeFunctions } = await import('pino');
  const pretty = {
    write: (line: string) => void stream.write(prettyLine(JSON.parse(line) as LogLine, stream.hasColors())),
  };
  const logger: Logger = pino(
    {
      level: options.verbose ? 'debug' : options['log-level'],
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: stdSerializers.err },
    },
    stream.isTTY ? pretty : destination({ fd: stream.fd, sync: true }),
  );
  return logger;
}
