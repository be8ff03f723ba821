import { Flags, type Interfaces } from '@oclif/core';
import type { ActionSpec } from '../client/action-draft.js';
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

/** What the flags say of the action. */
export function actionSpecOf(
  flags: ExecuteFlags,
  { argv, inputRoot }: Pick<ActionSpec, 'argv' | 'inputRoot'>,
): ActionSpec {
  return {
    argv,
    inputRoot,
    outputPaths: [...(flags['output-path'] ?? []), ...(flags['output-file'] ?? [])],
    environment: new Map([['PATH', defaultPath], ...(flags.env ?? [])]),
    platform: flags['platform-property'] ?? [],
    timeoutMs: flags.timeout,
    doNotCache: flags['no-cache'],
  };
}
