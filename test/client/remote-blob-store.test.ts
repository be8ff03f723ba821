import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { BlobNotFoundError, type Blob, type BlobStore } from '../../src/blobstore/blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { openChannel } from '../../src/client/open-channel.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import { collectBytes } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA1 } from '../../src/digest/digest-function.js';
import { packAny } from '../../src/proto/any.js';
import { rpc, type reapi } from '../../src/proto/index.js';
import { describeBlobStore, patternedBytes } from '../blobstore/contract/blob-store.js';
import { listenCas } from '../helpers/cas-server.js';
import { chunks } from '../helpers/chunks.js';
import { hasCode } from '../helpers/has-code.js';
import { until } from '../helpers/until.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';

/** A remote store with its own server. The protocol cannot delete: the suite does it behind the server's back. */
async function createRemoteStore(): Promise<BlobStore & AsyncDisposable> {
  const backend = new MemoryBlobStore();
  const server = await listenCas(backend);
  const channel = await openChannel({ url: server.url });
  const store = new RemoteBlobStore({ channel, instanceName: 'main/instance' });
  return Object.assign(store, {
    delete: (digests: Parameters<BlobStore['delete']>[0]) => backend.delete(digests),
    [Symbol.asyncDispose]: async () => {
      channel[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  });
}

describeBlobStore('RemoteBlobStore', createRemoteStore);

describe('RemoteBlobStore', () => {
  let scripted: ScriptedRemote;
  let store: RemoteBlobStore;

  beforeEach(async () => {
    scripted = await scriptedRemote();
    store = new RemoteBlobStore(scripted.remote);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  const blobOf = (content: string | Uint8Array): Blob => {
    const data = Buffer.from(content);
    return { digest: Digest.of(data), data };
  };
  const hello = blobOf('hello');
  const unavailable = new StatusError(Code.Unavailable, 'Just a moment');

  /** Answers BatchReadBlobs with what `blobs` holds. */
  const serveBatches =
    (blobs: readonly Blob[]) =>
    (request: reapi.BatchReadBlobsRequest): reapi.BatchReadBlobsResponse.$Properties => ({
      responses: request.digests.map((digest) => {
        const found = blobs.find((blob) => blob.digest.hash === digest.hash);
        return found ? { digest, data: found.data } : { digest, status: { code: Code.NotFound } };
      }),
    });

  it('cannot delete: the protocol has no such call', async () => {
    await assert.rejects(store.delete(), hasCode(Code.Unimplemented));
  });

  it('never asks for the empty blob, nor sends it (DIG-6)', async () => {
    const empty = Digest.empty();

    assert.deepEqual(await store.findMissing([empty]), []);
    assert.equal((await readBlob(store, empty)).length, 0);
    await store.write(empty, chunks());
    assert.deepEqual(await store.writeBatch([{ digest: empty, data: new Uint8Array() }]), [undefined]);

    assert.deepEqual(scripted.server.calls, []);
  });

  describe('finding what is missing', () => {
    it('asks in portions, each distinct digest once, for one digest function at a time (CL-1, DIG-5)', async () => {
      const digests = Array.from({ length: 12_000 }, (_, index) => Digest.of(Buffer.from(String(index))));
      const requests: reapi.FindMissingBlobsRequest[] = [];
      scripted.server.script.findMissingBlobs = (request) => {
        requests.push(request);
        return { missingBlobDigests: request.blobDigests.slice(0, 1) };
      };

      const sha1 = Digest.of(Buffer.from('1'), SHA1);
      const missing = await store.findMissing([...digests, ...digests, sha1]);

      assert.deepEqual(requests.map(({ blobDigests }) => blobDigests.length).sort(), [1, 2_000, 5_000, 5_000]);
      assert.deepEqual(new Set(requests.map(({ digestFunction }) => digestFunction)), new Set([1, 2]));
      assert.deepEqual(
        new Set(missing.map(String)),
        new Set([digests[0], digests[5_000], digests[10_000], sha1].map(String)),
      );
    });

    it('repeats the call while the server is away, ever more patiently, then gives up (U2)', async () => {
      scripted.server.script.findMissingBlobs = () => {
        throw unavailable;
      };

      await assert.rejects(store.findMissing([hello.digest]), hasCode(Code.Unavailable));

      assert.equal(scripted.server.count('findMissingBlobs'), 8);
      assert.deepEqual(scripted.clock.slept, [100, 200, 400, 800, 1_600, 3_200, 5_000]);
    });

    it('waits as long as an overloaded server asks it to (CL-7)', async () => {
      const retryInfo = { retryDelay: { seconds: 7, nanos: 5e8 } };
      const { type_url: typeUrl, value } = packAny('google.rpc.RetryInfo', rpc.RetryInfo, retryInfo);
      let isFirst = true;
      scripted.server.script.findMissingBlobs = () => {
        if (!isFirst) return {};
        isFirst = false;
        throw new StatusError(Code.ResourceExhausted, 'Too busy', { details: [{ typeUrl, value }] });
      };

      assert.deepEqual(await store.findMissing([hello.digest]), []);

      assert.deepEqual(scripted.clock.slept, [7_500]);
    });

    it('does not repeat what can never succeed', async () => {
      scripted.server.script.findMissingBlobs = () => {
        throw new StatusError(Code.InvalidArgument, 'No such instance');
      };

      await assert.rejects(store.findMissing([hello.digest]), hasCode(Code.InvalidArgument));

      assert.equal(scripted.server.count('findMissingBlobs'), 1);
    });
  });

  it('does not wait for a server that was never there', async () => {
    using channel = await openChannel({ url: 'grpc://127.0.0.1:1' });
    const nowhere = new RemoteBlobStore({ ...scripted.remote, channel });

    await assert.rejects(nowhere.findMissing([hello.digest]), /connection refused; is the server running\?/);

    assert.deepEqual(scripted.clock.slept, []);
  });

  describe('reading small blobs', () => {
    const blobs = Array.from({ length: 2_500 }, (_, index) => blobOf(`blob number ${index}`));

    it('shares calls between reads of one turn, and reads a blob once for all (CL-1)', async () => {
      scripted.server.script.batchReadBlobs = serveBatches(blobs);

      const texts = await Promise.all([...blobs, ...blobs].map(({ digest }) => readBlob(store, digest)));

      assert.deepEqual(
        texts.map(String),
        [...blobs, ...blobs].map(({ data }) => String(data)),
      );
      assert.equal(scripted.server.count('batchReadBlobs'), 3);
      assert.equal(scripted.server.count('getCapabilities'), 1);
      assert.equal(scripted.server.count('read'), 0);
    });

    it('takes hundreds of reads with one signal without a warning', async () => {
      const warnings: Error[] = [];
      const note = (warning: Error): void => void warnings.push(warning);
      process.on('warning', note);
      const { signal } = new AbortController();
      scripted.server.script.read = async function* () {
        yield { data: hello.data };
      };

      await Promise.all(
        Array.from({ length: 50 }, (_, offset) => [
          readBlob(store, hello.digest, signal),
          collectBytes(store.read(hello.digest, { offset: offset % 5, limit: 1 }, signal)).catch(() => undefined),
        ]).flat(),
      );
      process.off('warning', note);

      assert.deepEqual(warnings, []);
    });

    it('keeps within the batch limit that the server announces (CL-7)', async () => {
      const large = Array.from({ length: 20 }, (_, index) => blobOf(patternedBytes(10_000 + index)));
      const sizes: number[] = [];
      scripted.server.script.getCapabilities = () => ({ cacheCapabilities: { maxBatchTotalSizeBytes: 50_000 } });
      scripted.server.script.batchReadBlobs = (request) => {
        sizes.push(request.digests.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0));
        return serveBatches(large)(request);
      };

      await Promise.all(large.map(({ digest }) => readBlob(store, digest)));

      assert.equal(sizes.length, 5);
      assert.ok(sizes.every((size) => size <= 50_000));
    });

    it('asks again only for the entries that failed for a while (CL-2)', async () => {
      const asked: string[][] = [];
      scripted.server.script.batchReadBlobs = (request) => {
        asked.push(request.digests.map(({ hash }) => hash ?? ''));
        if (asked.length > 1) return serveBatches(blobs)(request);
        const [first, second] = serveBatches(blobs)(request).responses!;
        return { responses: [first!, { digest: second!.digest!, status: { code: Code.Unavailable } }] };
      };
      const [first, second, third] = blobs.map(({ digest }) => digest);

      await Promise.all([first!, second!, third!].map((digest) => readBlob(store, digest)));

      // The third was left out of the answer, which counts as a failure.
      assert.deepEqual(asked, [
        [first!.hash, second!.hash, third!.hash],
        [second!.hash, third!.hash],
      ]);
      assert.deepEqual(scripted.clock.slept, [100]);
    });

    it('throws BlobNotFoundError for the absent blob alone', async () => {
      scripted.server.script.batchReadBlobs = serveBatches([hello]);

      const [found, absent] = await Promise.allSettled(
        [hello.digest, Digest.of(Buffer.from('absent'))].map((digest) => readBlob(store, digest)),
      );

      assert.equal(found?.status, 'fulfilled');
      assert.ok(absent?.status === 'rejected' && absent.reason instanceof BlobNotFoundError);
      assert.deepEqual(scripted.clock.slept, []);
    });

    it('reads a blob that arrives damaged a second time, by ByteStream (CL-5)', async () => {
      scripted.server.script.batchReadBlobs = () => ({
        responses: [{ digest: hello.digest.toProto(), data: Buffer.from('hullo') }],
      });
      scripted.server.script.read = async function* () {
        yield { data: hello.data };
      };

      assert.equal(String(await readBlob(store, hello.digest)), 'hello');
    });

    it('goes over to ByteStream for good where the server has no batches', async () => {
      scripted.server.script.read = async function* () {
        yield { data: hello.data };
      };

      await readBlob(store, hello.digest);
      await readBlob(store, hello.digest);

      assert.deepEqual(scripted.server.calls, ['getCapabilities', 'batchReadBlobs', 'read', 'read']);
    });

    it('goes over to ByteStream once for a batch that is refused as a whole', async () => {
      scripted.server.script.batchReadBlobs = () => {
        throw new StatusError(Code.InvalidArgument, 'Too much at once');
      };
      scripted.server.script.read = async function* () {
        yield { data: hello.data };
      };

      await readBlob(store, hello.digest);
      await readBlob(store, hello.digest);

      assert.equal(scripted.server.count('batchReadBlobs'), 2);
      assert.equal(scripted.server.count('read'), 2);
    });

    it('cancels the call when nobody wants its blobs any more, not before', async () => {
      const [first, second] = [new AbortController(), new AbortController()];
      let hasEnded = false;
      const begun = new Promise<void>((resolve) => {
        scripted.server.script.batchReadBlobs = (_request, context) =>
          new Promise((_resolve, reject) => {
            context.onTermination(() => {
              hasEnded = true;
              reject(unavailable);
            });
            resolve();
          });
      });
      const reads = [
        readBlob(store, hello.digest, first.signal),
        readBlob(store, Digest.of(Buffer.from('other')), second.signal),
      ].map((read) => assert.rejects(read, hasCode(Code.Cancelled)));
      await begun;

      first.abort();
      await reads[0];
      assert.equal(hasEnded, false);
      second.abort();
      await reads[1];
      await until(() => hasEnded);
    });
  });
});
