import assert from 'node:assert/strict';
import { planCommand, type CommandPlan } from '../../../src/bot/executors/command-plan.js';
import { Code } from '../../../src/common/code.js';
import { reapi } from '../../../src/proto/index.js';

const plan = (command: reapi.Command.$Properties): CommandPlan =>
  planCommand(reapi.Command.fromObject({ arguments: ['true'], ...command }));

describe('planCommand', () => {
  it('lets output_paths take the place of the old fields (CMD-3)', () => {
    const { outputs } = plan({ outputPaths: ['a'], outputFiles: ['b'], outputDirectories: ['c'] });

    assert.deepEqual(outputs, [{ path: 'a', location: 'a', kind: 'any' }]);
  });

  it('resolves outputs against the working directory and keeps their paths as they are (CMD-3, CMD-10)', () => {
    const { outputs } = plan({
      workingDirectory: 'a//b/.',
      outputFiles: ['x', '../y/./z'],
      outputDirectories: ['', '../..'],
    });

    assert.deepEqual(
      outputs.map(({ path, location, kind }) => [path, location, kind]),
      [
        ['x', 'a/b/x', 'file'],
        ['../y/./z', 'a/y/z', 'file'],
        ['', 'a/b', 'directory'],
        ['../..', '', 'directory'],
      ],
    );
  });

  it('looks at an output once that is listed twice', () => {
    assert.equal(plan({ outputPaths: ['a', 'a'] }).outputs.length, 1);
  });

  it('wants Directories beside Trees only in the formats that say so (CMD-13)', () => {
    const { TREE_ONLY, DIRECTORY_ONLY, TREE_AND_DIRECTORY } = reapi.Command.OutputDirectoryFormat;
    const formats = [TREE_ONLY, DIRECTORY_ONLY, TREE_AND_DIRECTORY].map(
      (outputDirectoryFormat) => plan({ outputDirectoryFormat }).wantsDirectories,
    );

    assert.deepEqual(formats, [false, true, true]);
  });

  const bad: Readonly<Record<string, reapi.Command.$Properties>> = {
    'no arguments': { arguments: [] },
    'an argument with a NUL': { arguments: ['a', 'b\0c'] },
    'a working directory that is absolute': { workingDirectory: '/tmp' },
    'a working directory that leaves the input root (CMD-4)': { workingDirectory: 'a/../..' },
    'an output that is absolute': { outputPaths: ['/etc/passwd'] },
    'an output that leaves the input root (CMD-3)': { workingDirectory: 'a', outputPaths: ['../../b'] },
    'an output with a NUL': { outputPaths: ['a\0b'] },
    'a variable without a name': { environmentVariables: [{ name: '', value: 'x' }] },
    'a variable with = in its name': { environmentVariables: [{ name: 'A=B', value: 'x' }] },
    'a variable with a NUL': { environmentVariables: [{ name: 'A', value: 'x\0' }] },
  };
  for (const [what, command] of Object.entries(bad)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => plan(command), { code: Code.InvalidArgument });
    });
  }
});
