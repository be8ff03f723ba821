import assert from 'node:assert/strict';
import { adoptBuildGridEnvironment } from '../../src/cli/buildgrid-environment.js';

describe('adoptBuildGridEnvironment', () => {
  function adopted(env: Record<string, string>, ...argv: readonly string[]): Record<string, string | undefined> {
    const copy = { ...env };
    adoptBuildGridEnvironment(copy, argv);
    return copy;
  }

  it('takes the variables of the group that runs', () => {
    const env = adopted({ BUILDGRID_ACTION_CACHE_REMOTE: 'X', BUILDGRID_CAS_REMOTE: 'Y' }, 'action-cache', 'get');

    assert.equal(env['BGD_REMOTE'], 'X');
  });

  it('takes the variables of the sub-command that runs', () => {
    const env = adopted({ BUILDGRID_EXECUTE_COMMAND_OUTPUT_DIRECTORY: 'out' }, 'execute', 'command');

    assert.equal(env['BGD_OUTPUT_DIRECTORY'], 'out');
  });

  it('prefers our own variable, unless it is empty', () => {
    assert.equal(adopted({ BGD_REMOTE: 'X', BUILDGRID_CAS_REMOTE: 'Y' }, 'cas', 'upload-file')['BGD_REMOTE'], 'X');
    assert.equal(adopted({ BGD_REMOTE: '', BUILDGRID_CAS_REMOTE: 'Y' }, 'cas', 'upload-file')['BGD_REMOTE'], 'Y');
  });
});
