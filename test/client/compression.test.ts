import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import { openChannel } from '../../src/client/open-channel.js';
import { SeekableContent } from '../../src/client/seekable-content.js';
import { ZstdCodec } from '../../src/codec/zstd/zstd-codec.js';
import { bytesOnce, collectBytes } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { reapi } from '../../src/proto/index.js';
import { compressibleBytes } from '../codec/zstd/frames.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { listenCas } from '../helpers/cas-server.js';
import { hasCode } from '../helpers/has-code.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';

const data = compressibleBytes(2 * 1024 * 1024);
const digest = Digest.of(data);
const codec = new ZstdCodec();

describe('RemoteBlobStore with compression, against a real server', () => {
  it('gives back what it has stored, verified over the uncompressed bytes, whole and from an offset', async () => {
    await loadDigestFunctions();
    await using server = await listenCas(new MemoryBlobStore());
    using channel = await openChannel({ url: server.url });
    const store = new RemoteBlobStore({ channel, instanceName: '', compression: 'zstd' });
    for (const bytes of [data, patternedBytes(300_000), compressibleBytes(5 * 1024 * 1024)]) {
      for (const blob of [Digest.of(bytes), Digest.of(bytes, BLAKE3)]) {
        await store.write(blob, new SeekableContent({ digest: blob, data: bytes }));

        assert.ok((await readBlob(store, blob)).equals(bytes));
        const tail = await collectBytes(store.read(blob, { offset: 100_001 }));
        assert.ok(tail.equals(bytes.subarray(100_001)));
        assert.ok((await collectBytes(store.read(blob, { offset: 5, limit: 10 }))).equals(bytes.subarray(5, 15)));
      }
    }
  });
});

describe('RemoteBlobStore with compression', () => {
  let scripted: ScriptedRemote;
  let store: RemoteBlobStore;
  /** The names under which blobs came and went, and how many bytes each upload had. */
  let names: string[];
  let sentBytes: number;
  const refusals: StatusError[] = [];

  const announce = (...supportedCompressors: reapi.Compressor.Value[]): void => {
    scripted.server.script.getCapabilities = () => ({ cacheCapabilities: { supportedCompressors } });
  };

  beforeEach(async () => {
    names = [];
    sentBytes = 0;
    refusals.length = 0;
    scripted = await scriptedRemote();
    announce(reapi.Compressor.Value.ZSTD);
    store = new RemoteBlobStore({ ...scripted.remote, compression: 'zstd' });
    scripted.server.script.write = async (requests) => {
      const refusal = refusals.shift();
      for await (const { resourceName, data: bytes } of requests) {
        if (resourceName) names.push(resourceName.split('/').slice(3, -2).join('/'));
        if (refusal) throw refusal;
        sentBytes += bytes.length;
      }
      return { committedSize: sentBytes };
    };
    scripted.server.script.read = async function* ({ resourceName, readOffset }) {
      const isCompressed = resourceName.includes('compressed-blobs');
      names.push(`${isCompressed ? 'zstd' : 'plain'} ${readOffset}`);
      const rest = data.subarray(readOffset);
      const bytes = isCompressed ? await collectBytes(codec.compress(bytesOnce(rest))) : rest;
      yield { data: bytes.subarray(0, bytes.length / 2) };
      const refusal = refusals.shift();
      if (refusal) throw refusal;
      yield { data: bytes.subarray(bytes.length / 2) };
    };
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  const upload = (bytes: Buffer, blob = Digest.of(bytes)): Promise<void> =>
    store.write(blob, new SeekableContent({ digest: blob, data: bytes }));

  it('uploads what shrinks, and takes the compressed size for an answer (CL-2)', async () => {
    await upload(data);

    assert.deepEqual(names, ['compressed-blobs/zstd']);
    assert.ok(sentBytes < data.length / 2);
  });

  it('uploads as it is what does not shrink, or is small', async () => {
    await upload(patternedBytes(1024 * 1024));
    sentBytes = 0;
    await upload(compressibleBytes(1_000));

    assert.deepEqual(names, ['blobs', 'blobs']);
  });

  it('leaves it where the server does not announce it, the option says so, or the server is on this machine', async () => {
    await new RemoteBlobStore({ ...scripted.remote, compression: 'none' }).write(digest, bytesOnce(data));
    sentBytes = 0;
    await new RemoteBlobStore(scripted.remote).write(digest, bytesOnce(data));
    announce();
    sentBytes = 0;
    await new RemoteBlobStore({ ...scripted.remote, compression: 'zstd' }).write(digest, bytesOnce(data));

    assert.deepEqual(names, ['blobs', 'blobs', 'blobs']);
  });

  it('begins a broken upload anew, plain, so that it can be resumed from then on (CL-3, BS-8)', async () => {
    refusals.push(new StatusError(Code.Unavailable, 'Just a moment'));

    await upload(data);

    assert.deepEqual(names, ['compressed-blobs/zstd', 'blobs']);
    assert.equal(sentBytes, data.length);
  });

  it('refuses content of another size before it is committed', async () => {
    await assert.rejects(upload(data.subarray(1), digest), hasCode(Code.InvalidArgument));
    await assert.rejects(upload(Buffer.concat([data, data]), digest), hasCode(Code.InvalidArgument));
  });

  it('takes a broken download up at the uncompressed byte where it broke (CL-3, BS-5)', async () => {
    refusals.push(new StatusError(Code.Unavailable, 'Just a moment'));

    assert.ok((await readBlob(store, digest)).equals(data));

    assert.equal(names.length, 2);
    assert.ok(names.every((name) => name.startsWith('zstd ')));
  });

  it('refuses bytes that are no zstd, and other bytes than wanted (CL-5)', async () => {
    scripted.server.script.read = async function* () {
      yield { data: Buffer.from('no zstd') };
    };
    await assert.rejects(readBlob(store, digest), hasCode(Code.DataLoss));

    const other = await codec.compressBytes(Buffer.alloc(data.length, 1));
    scripted.server.script.read = async function* () {
      yield { data: other };
    };
    await assert.rejects(readBlob(store, digest), hasCode(Code.DataLoss));
  });
});
