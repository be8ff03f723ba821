import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import { unpackAny } from '../../src/proto/any.js';
import { bgdexecution, reapi } from '../../src/proto/index.js';
import { messageNames } from '../../src/proto/wire-names.js';
import type { Operation } from '../../src/scheduler/job-store.js';
import { Stage } from '../../src/scheduler/stage.js';
import { operationMessage } from '../../src/services/operation-message.js';
import { whyItWaits } from '../../src/client/operation-messages.js';
import { noPlatform } from '../helpers/jobs.js';

describe('operationMessage', () => {
  const actionDigest = Digest.of(Buffer.from('action'));
  const blobs = new MemoryBlobStore();

  function done(instanceName: string, response: reapi.ExecuteResponse.$Properties): Operation {
    return {
      id: '1',
      jobId: '1',
      seq: 1,
      instanceName,
      actionDigest,
      platformKey: noPlatform,
      stage: Stage.Completed,
      queuedAtMs: 0,
      hints: '{}',
      response: reapi.ExecuteResponse.encode(response).finish(),
    };
  }

  async function messageOf(operation: Operation, actionBrowserUrl?: string): Promise<string | undefined> {
    const execution = { blobs, ...(actionBrowserUrl !== undefined && { actionBrowserUrl }) };
    const { response } = await operationMessage(operation, execution);
    return unpackAny(messageNames.executeResponse, reapi.ExecuteResponse, response)?.message;
  }

  for (const [instanceName, path] of [
    ['main', `action/main/${actionDigest.hash}/6/`],
    ['', `action/${actionDigest.hash}/6/`],
  ] as const) {
    it(`tells where to look at an action of instance ${JSON.stringify(instanceName)} (EX-15)`, async () => {
      const message = await messageOf(done(instanceName, { result: {} }), 'https://browser.example.com/base/');

      assert.equal(message, `https://browser.example.com/base/${path}`);
    });
  }

  it('keeps a message that is there, and adds none where no browser is configured', async () => {
    assert.equal(await messageOf(done('', { message: 'said' }), 'https://browser.example.com'), 'said');
    assert.equal(await messageOf(done('', {})), '');
  });

  it('tells why it waits where clients pass over what they do not know', async () => {
    const { response, ...queued } = done('main', {});
    assert.ok(response);
    const gpu = { name: 'pool', value: 'gpu' };
    const unserved = {
      message: 'no bot offers it',
      offeredByNone: [gpu],
      nearest: [{ botId: 'bot', lacking: [gpu] }],
    };

    const operation = await operationMessage({ ...queued, stage: Stage.Queued, unserved }, { blobs });

    const metadata = unpackAny(
      messageNames.executeOperationMetadata,
      reapi.ExecuteOperationMetadata,
      operation.metadata,
    );
    const [told, ...others] = metadata?.partialExecutionMetadata?.auxiliaryMetadata ?? [];
    assert.equal(others.length, 0);
    assert.equal(told?.type_url, 'type.googleapis.com/bgd.execution.v1.Unserved');
    const message = unpackAny(messageNames.unserved, bgdexecution.Unserved, told);
    assert.deepEqual(bgdexecution.Unserved.toObject(message!), unserved);
    assert.equal(whyItWaits(operation), 'no bot offers it');
  });
});
