import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { repositoryRoot } from '../helpers/repository.js';

const run = promisify(execFile);

describe('createLogger', () => {
  /** What a process logs that uses the logger; its stderr is a pipe, as under a service manager. */
  async function logged(flags: object): Promise<readonly Record<string, unknown>[]> {
    const script = `
      import { createLogger } from './src/cli/create-logger.ts';
      const logger = (await createLogger(${JSON.stringify(flags)})).child({ lease: 'x' });
      logger.debug({}, 'Debugging');
      logger.info({ digest: 'd' }, 'Informing');
      logger.error({ err: new Error('no route') }, 'Failing');`;
    const argv = ['--import', 'tsx', '--input-type=module', '-e', script];
    const { stdout, stderr } = await run(process.execPath, argv, { cwd: repositoryRoot });
    assert.equal(stdout, '');
    return stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('writes a JSON object a line to stderr where there is no terminal', async () => {
    const [info, error] = await logged({ 'log-level': 'info', verbose: false });

    assert.deepEqual(
      [info?.['level'], info?.['msg'], info?.['lease'], info?.['digest']],
      ['info', 'Informing', 'x', 'd'],
    );
    assert.match(String(info?.['time']), /^\d{4}-\d\d-\d\dT/);
    assert.equal((error?.['err'] as { message: string }).message, 'no route');
  });

  it('logs as much as it is told to', async () => {
    const quiet = await logged({ 'log-level': 'error', verbose: false });
    const verbose = await logged({ 'log-level': 'error', verbose: true });

    assert.deepEqual(
      quiet.map(({ msg }) => msg),
      ['Failing'],
    );
    assert.deepEqual(
      verbose.map(({ msg }) => msg),
      ['Debugging', 'Informing', 'Failing'],
    );
  });
});
