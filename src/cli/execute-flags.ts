import { Flags, type Interfaces } from '@oclif/core';
import type { ActionSpec } from '../client/action-draft.js';
import type { ExecutionReport } from './deliver-outcome.js';
import { remoteCasFlags } from './connection-flags.js';
import { outputPathFlag } from './output-path-flag.js';
import { pairFlag } from './pair-flag.js';
import { secondsFlag } from './seconds-flag.js';

const list = { multiple: true, multipleNonGreedy: true } as const;

/** What `bgd execute command` takes besides the connection. Lists have no environment variable. */
export const executeFlags = {
  ...remoteCasFlags,
  'output-path': outputPathFlag({
    ...list,
    helpValue: 'PATH',
    summary: 'File or directory to bring back; repeatable.',
  }),
  'output-file': outputPathFlag({ ...list, helpValue: 'PATH', summary: 'The same, as BuildGrid has it.' }),
  'output-directory': Flags.directory({
    env: 'BGD_OUTPUT_DIRECTORY',
    default: '.',
    helpValue: 'DIR',
    summary: 'Where outputs go.',
  }),
  'platform-property': pairFlag({
    ...list,
    char: 'p',
    helpValue: 'KEY=VALUE',
    summary: 'What the worker must offer; repeatable.',
  }),
  env: pairFlag({ ...list, helpValue: 'NAME=VALUE', summary: 'Environment variable of the command; repeatable.' }),
  'no-cache': Flags.boolean({ env: 'BGD_NO_CACHE', summary: 'Execute anew, and do not store the result.' }),
  timeout: secondsFlag({
    env: 'BGD_TIMEOUT',
    summary: "How long the command may run. By default the server's choice.",
  }),
};

/** Values of {@link executeFlags}. */
export type ExecuteFlags = Interfaces.InferredFlags<typeof executeFlags>;

/** Where programs are found unless the user says otherwise: the worker's own PATH is not the user's to know. */
const defaultPath = '/usr/local/bin:/usr/bin:/bin';

const outputPathsOf = (flags: ExecuteFlags): string[] => [
  ...(flags['output-path'] ?? []),
  ...(flags['output-file'] ?? []),
];

/** Which outputs a command that went well owes to the flags: a slip in a path is easily made, and else goes unseen. */
export function missingOutputs(
  flags: ExecuteFlags,
  { exitCode, outputs }: Pick<ExecutionReport, 'exitCode' | 'outputs'>,
): readonly string[] {
  const found = new Set(outputs.map(({ path }) => path));
  return exitCode === 0 ? outputPathsOf(flags).filter((path) => !found.has(path)) : [];
}

/** What the flags say of the action. */
export function actionSpecOf(
  flags: ExecuteFlags,
  { argv, inputRoot }: Pick<ActionSpec, 'argv' | 'inputRoot'>,
): ActionSpec {
  return {
    argv,
    inputRoot,
    outputPaths: outputPathsOf(flags),
    environment: new Map([['PATH', defaultPath], ...(flags.env ?? [])]),
    platform: flags['platform-property'] ?? [],
    timeoutMs: flags.timeout,
    doNotCache: flags['no-cache'],
  };
}
