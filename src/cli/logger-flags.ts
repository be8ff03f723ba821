import { Flags } from '@oclif/core';

/** Names of the levels, the quietest first. */
export const logLevels = ['error', 'warn', 'info', 'debug'] as const;

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** How much a server or bot tells on stderr. */
export const loggerFlags = {
  'log-level': Flags.option({
    options: logLevels,
    env: 'BGD_LOG_LEVEL',
    default: 'info' as const,
    summary: 'How much to log.',
  })(),
  verbose: Flags.boolean({
    char: 'v',
    env: 'BGD_VERBOSE',
    summary: 'Log everything, as --log-level debug does.',
  }),
};
