import assert from 'node:assert/strict';
import { Code, codeName, codeOf } from '../../src/common/code.js';
import { StatusError, errnoOf } from '../../src/common/status-error.js';
import { storageError } from '../../src/common/storage-error.js';

const systemError = (code: string): Error => Object.assign(new Error(`${code}: it failed`), { code });

describe('StatusError', () => {
  it('takes over what has a code already', () => {
    const error = new StatusError(Code.NotFound, 'gone');

    assert.equal(StatusError.from(error), error);
  });

  it('gives the ends of an operation, and a full disk, their codes, and everything else INTERNAL', () => {
    assert.equal(StatusError.from(new DOMException('stopped', 'AbortError')).code, Code.Cancelled);
    assert.equal(StatusError.from(AbortSignal.abort().reason).code, Code.Cancelled);
    assert.equal(StatusError.from(new DOMException('late', 'TimeoutError')).code, Code.DeadlineExceeded);
    assert.equal(StatusError.from(systemError('ENOSPC')).code, Code.ResourceExhausted);
    assert.equal(StatusError.from(new TypeError('our bug')).code, Code.Internal);
    assert.equal(StatusError.from('a string').message, 'a string');
  });

  it('keeps code, details and cause when it gets more context', () => {
    const details = [{ typeUrl: 'type.googleapis.com/x', value: Buffer.from('y') }];
    const error = new StatusError(Code.FailedPrecondition, 'missing', { details });

    const wrapped = error.wrap('Staging');

    assert.equal(wrapped.message, 'Staging: missing');
    assert.equal(wrapped.code, Code.FailedPrecondition);
    assert.equal(wrapped.details, details);
    assert.equal(wrapped.cause, error);
  });

  it('tells the errno of system errors only', () => {
    assert.equal(errnoOf(systemError('ENOENT')), 'ENOENT');
    assert.equal(errnoOf(new StatusError(Code.NotFound, 'x')), undefined);
    assert.equal(errnoOf('ENOENT'), undefined);
  });
});

describe('storageError', () => {
  it('makes trouble of the disk UNAVAILABLE and a full disk RESOURCE_EXHAUSTED (U5)', () => {
    const error = storageError(systemError('EIO'), 'Reading');

    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.message, 'Reading failed: EIO: it failed');
    assert.equal(storageError(systemError('ENOSPC'), 'Writing').code, Code.ResourceExhausted);
  });

  it('leaves alone what is no system error', () => {
    const error = new StatusError(Code.InvalidArgument, 'bad');

    assert.equal(storageError(error, 'Writing'), error);
    assert.equal(storageError(new TypeError('our bug'), 'Writing').code, Code.Internal);
  });

  it('leaves an abort an abort, though Node gives it a code', () => {
    const abort = Object.assign(new Error('stopped'), { name: 'AbortError', code: 'ABORT_ERR' });

    assert.equal(storageError(abort, 'Writing').code, Code.Cancelled);
  });
});

describe('Code', () => {
  it('has the names of the protocol', () => {
    assert.equal(codeName(Code.FailedPrecondition), 'FAILED_PRECONDITION');
    assert.equal(codeName(Code.Ok), 'OK');
    assert.equal(codeName(77), 'CODE_77');
  });

  it('takes an unknown number for UNKNOWN and an unset one for OK', () => {
    assert.equal(codeOf(77), Code.Unknown);
    assert.equal(codeOf(null), Code.Ok);
    assert.equal(codeOf(5), Code.NotFound);
  });
});
