import assert from 'node:assert/strict';
import type { Blob } from '../../src/blobstore/blob-store.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import type { reapi } from '../../src/proto/index.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { hasCode } from '../helpers/has-code.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';

describe('RemoteBlobStore writing batches', () => {
  let scripted: ScriptedRemote;
  let store: RemoteBlobStore;
  let batches: reapi.BatchUpdateBlobsRequest[];
  let streamed: number;

  const blobsOf = (count: number, sizeBytes: number): Blob[] =>
    Array.from({ length: count }, (_, index) => {
      const data = patternedBytes(sizeBytes);
      data.writeUInt32LE(index);
      return { digest: Digest.of(data), data };
    });
  const blobs = blobsOf(10, 1_000);

  const takeAll = (request: reapi.BatchUpdateBlobsRequest): reapi.BatchUpdateBlobsResponse.$Properties => ({
    responses: request.requests.map(({ digest }) => ({ digest: digest ?? null, status: { code: 0 } })),
  });

  beforeEach(async () => {
    batches = [];
    streamed = 0;
    scripted = await scriptedRemote({
      getCapabilities: () => ({ cacheCapabilities: { maxBatchTotalSizeBytes: 10_000 } }),
      batchUpdateBlobs: (request) => {
        batches.push(request);
        return takeAll(request);
      },
      write: async (requests) => {
        let committedSize = 0;
        for await (const { data } of requests) committedSize += data.length;
        streamed += 1;
        return { committedSize };
      },
    });
    store = new RemoteBlobStore(scripted.remote);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  it('fills calls up to the announced limit, overhead included (CL-1)', async () => {
    const outcomes = await store.writeBatch(blobs);

    assert.deepEqual(outcomes, new Array(10).fill(undefined));
    assert.deepEqual(batches.map(({ requests }) => requests.length).sort(), [2, 8]);
  });

  it('sends a blob that is given twice once', async () => {
    await store.writeBatch([blobs[0]!, blobs[1]!, blobs[0]!]);

    assert.deepEqual(
      batches.map(({ requests }) => requests.length),
      [2],
    );
  });

  it('streams what is too large for any batch', async () => {
    const [large] = blobsOf(1, 9_900);

    assert.deepEqual(await store.writeBatch([blobs[0]!, large!]), [undefined, undefined]);

    assert.equal(batches.length, 1);
    assert.equal(streamed, 1);
  });

  it('takes a server that announces nothing to take 1 MiB', async () => {
    scripted.server.script.getCapabilities = () => {
      throw new StatusError(Code.Unimplemented, 'No Capabilities');
    };

    await store.writeBatch(blobsOf(20, 100_000));

    assert.deepEqual(batches.map(({ requests }) => requests.length).sort(), [10, 10]);
  });

  it('asks for the limits once, again after a failure', async () => {
    let calls = 0;
    scripted.server.script.getCapabilities = () => {
      calls += 1;
      if (calls === 1) throw new StatusError(Code.PermissionDenied, 'Not you');
      return {};
    };

    await assert.rejects(store.writeBatch(blobs), hasCode(Code.PermissionDenied));
    await store.writeBatch(blobs);
    await store.writeBatch(blobs);

    assert.equal(calls, 2);
  });

  it('sends again only what failed for a while, and tells what failed for good (CL-2)', async () => {
    const codes = new Map<string, Code[]>([
      [blobs[1]!.digest.hash, [Code.Unavailable, Code.ResourceExhausted]],
      [blobs[2]!.digest.hash, [Code.InvalidArgument]],
    ]);
    scripted.server.script.batchUpdateBlobs = (request) => {
      batches.push(request);
      return {
        responses: request.requests.map(({ digest }) => ({
          digest: digest ?? null,
          status: { code: codes.get(digest?.hash ?? '')?.shift() ?? 0, message: 'Hm' },
        })),
      };
    };

    const outcomes = await store.writeBatch(blobs.slice(0, 3));

    assert.deepEqual(
      batches.map(({ requests }) => requests.length),
      [3, 1, 1],
    );
    assert.deepEqual(
      outcomes.map((outcome) => outcome?.code),
      [undefined, undefined, Code.InvalidArgument],
    );
    assert.match(outcomes[2]!.message, new RegExp(`Blob ${blobs[2]!.digest.hash}/1000: Hm`));
    assert.deepEqual(scripted.clock.slept, [100, 200]);
  });

  it('takes an entry that the answer leaves out for a failure (CL-2)', async () => {
    scripted.server.script.batchUpdateBlobs = (request) => {
      batches.push(request);
      return { responses: takeAll(request).responses!.slice(1) };
    };

    const [outcome] = await store.writeBatch(blobs.slice(0, 1));

    assert.equal(outcome?.code, Code.Internal);
    assert.equal(batches.length, 8);
  });

  it('goes over to ByteStream for good where the server has no batches', async () => {
    delete scripted.server.script.batchUpdateBlobs;

    assert.deepEqual(await store.writeBatch(blobs.slice(0, 3)), [undefined, undefined, undefined]);
    assert.deepEqual(await store.writeBatch(blobs.slice(3, 5)), [undefined, undefined]);

    assert.equal(scripted.server.count('batchUpdateBlobs'), 1);
    assert.equal(streamed, 5);
  });

  it('finds out by ByteStream which entry of a batch is refused that is refused as a whole', async () => {
    scripted.server.script.batchUpdateBlobs = () => {
      throw new StatusError(Code.InvalidArgument, 'One of them is bad');
    };
    scripted.server.script.write = async (requests) => {
      for await (const { data, resourceName } of requests) {
        if (resourceName.includes(blobs[1]!.digest.hash)) throw new StatusError(Code.InvalidArgument, 'This one');
        return { committedSize: data.length };
      }
      return {};
    };

    const outcomes = await store.writeBatch(blobs.slice(0, 3));

    assert.deepEqual(
      outcomes.map((outcome) => outcome?.message),
      [undefined, 'This one', undefined],
    );
  });

  it('gives each blob the failure of its call', async () => {
    scripted.server.script.batchUpdateBlobs = () => {
      throw new StatusError(Code.PermissionDenied, 'Read-only');
    };

    const outcomes = await store.writeBatch(blobs);

    assert.deepEqual(
      outcomes.map((outcome) => outcome?.code),
      new Array(10).fill(Code.PermissionDenied),
    );
    assert.equal(scripted.server.count('batchUpdateBlobs'), 2);
  });
});
