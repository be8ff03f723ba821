import assert from 'node:assert/strict';
import { protoJson } from '../../src/client/proto-json.js';
import { longrunning, reapi } from '../../src/proto/index.js';

describe('protoJson', () => {
  const ofResult = (result: reapi.ActionResult.$Properties): unknown =>
    protoJson(reapi.ActionResult.decode(reapi.ActionResult.encode(result).finish()));

  it('writes bytes as base64, 64-bit numbers as strings, and leaves out what is unset', () => {
    const json = ofResult({ stdoutRaw: Buffer.from('hi'), stdoutDigest: { hash: 'ab', sizeBytes: 5 }, exitCode: 3 });

    assert.deepEqual(json, { exitCode: 3, stdoutRaw: 'aGk=', stdoutDigest: { hash: 'ab', sizeBytes: '5' } });
  });

  it('writes times as RFC 3339 and durations in seconds', () => {
    const json = ofResult({
      executionMetadata: {
        queuedTimestamp: { seconds: 1_700_000_000, nanos: 120_000_000 },
        workerStartTimestamp: { seconds: 1_700_000_000, nanos: 0 },
        workerCompletedTimestamp: { seconds: 1_700_000_000, nanos: 1 },
        virtualExecutionDuration: { seconds: 2, nanos: 500_000_000 },
      },
    });

    assert.deepEqual(json, {
      executionMetadata: {
        queuedTimestamp: '2023-11-14T22:13:20.120Z',
        workerStartTimestamp: '2023-11-14T22:13:20Z',
        workerCompletedTimestamp: '2023-11-14T22:13:20.000000001Z',
        virtualExecutionDuration: '2.500s',
      },
    });
  });

  it('writes enums by name, in lists too', () => {
    const capabilities = { cacheCapabilities: { digestFunctions: [1, 2], symlinkAbsolutePathStrategy: 2 } };

    const json = protoJson(reapi.ServerCapabilities.decode(reapi.ServerCapabilities.encode(capabilities).finish()));

    assert.deepEqual(json, {
      cacheCapabilities: { digestFunctions: ['SHA256', 'SHA1'], symlinkAbsolutePathStrategy: 'ALLOWED' },
    });
  });

  it('writes an Any as it is packed', () => {
    const operation = { name: 'x', metadata: { type_url: 'type.googleapis.com/a.B', value: Buffer.from([1]) } };

    const json = protoJson(longrunning.Operation.decode(longrunning.Operation.encode(operation).finish()));

    assert.deepEqual(json, { name: 'x', metadata: { type_url: 'type.googleapis.com/a.B', value: 'AQ==' } });
  });
});
