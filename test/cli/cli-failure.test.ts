import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Errors } from '@oclif/core';
import { CliFailure } from '../../src/cli/cli-failure.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';

describe('CliFailure', () => {
  const cases: readonly (readonly [Code, number])[] = [
    [Code.InvalidArgument, 2],
    [Code.OutOfRange, 2],
    [Code.FailedPrecondition, 2],
    [Code.NotFound, 3],
    [Code.Unavailable, 4],
    [Code.DeadlineExceeded, 4],
    [Code.PermissionDenied, 5],
    [Code.Unauthenticated, 5],
    [Code.Internal, 1],
    [Code.ResourceExhausted, 1],
    [Code.Unimplemented, 1],
  ];
  for (const [code, exitCode] of cases) {
    it(`makes exit code ${exitCode} of status ${code}`, () => {
      assert.equal(CliFailure.from(new StatusError(code, 'text')).exitCode, exitCode);
    });
  }

  it('makes 3 of missing blobs', () => {
    assert.equal(CliFailure.from(missingBlobsError([Digest.empty()])).exitCode, 3);
  });

  it('makes 2 of a path that is not there, and says which', async () => {
    const reason = await readFile('/nowhere/at/all').catch((error: unknown) => error);

    const { exitCode, message } = CliFailure.from(reason);

    assert.deepEqual([exitCode, message], [2, '/nowhere/at/all: no such file or directory']);
  });

  it('makes 1 of a bug, and says how to see more', () => {
    const { exitCode, message, code } = CliFailure.from(new TypeError('x is not a function'));

    assert.deepEqual([exitCode, message, code], [1, 'x is not a function (set DEBUG=1 to see where)', 'INTERNAL']);
  });

  it('brings the errors of oclif into one line', () => {
    const reason = new Errors.CLIError(
      'Missing 2 required args:\n\u001B[2mname\u001B[22m  Its name\nSee more help with --help',
    );

    const { exitCode, message } = CliFailure.from(reason);

    assert.deepEqual([exitCode, message], [2, 'Missing 2 required args: name  Its name. See more help with --help']);
  });

  it('has nothing to say when a command just exits', () => {
    const { exitCode, message } = CliFailure.from(new Errors.ExitError(7));

    assert.deepEqual([exitCode, message], [7, '']);
  });

  it('stays what it is', () => {
    const failure = CliFailure.ofUsage('wrong');

    assert.equal(CliFailure.from(failure), failure);
  });
});
