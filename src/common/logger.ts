/** Facts of a log line; `err` holds the reason of a failure. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging: a fixed sentence, the facts as fields. pino satisfies it. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;

  /** A logger whose every line also carries `fields`. */
  child(fields: LogFields): Logger;
}

/** Drops everything. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
