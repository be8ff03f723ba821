import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { collectBytes } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { BlobNotFoundError, type BlobStore } from '../../src/blobstore/blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { RemoteBlobStore } from '../../src/client/remote-blob-store.js';
import { SeekableContent } from '../../src/client/seekable-content.js';
import { Digest } from '../../src/digest/digest.js';
import type { bytestream } from '../../src/proto/index.js';
import { inChunks, patternedBytes } from '../blobstore/contract/blob-store.js';
import { hasCode } from '../helpers/has-code.js';
import { scriptedRemote, type ScriptedRemote } from '../helpers/scripted-remote.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const unavailable = new StatusError(Code.Unavailable, 'Just a moment');
const megabyte = 1024 * 1024;
const data = patternedBytes(5 * megabyte);
const digest = Digest.of(data);

describe('RemoteBlobStore reading by ByteStream', () => {
  let scripted: ScriptedRemote;
  let store: BlobStore;

  beforeEach(async () => {
    scripted = await scriptedRemote();
    store = new RemoteBlobStore(scripted.remote);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  /** Serves `content` in chunks of 64 KiB; `cutAfter` says after how many bytes each call breaks. */
  function serve(content: Buffer, cutAfter: readonly number[] = []): bytestream.ReadRequest[] {
    const requests: bytestream.ReadRequest[] = [];
    scripted.server.script.read = async function* (request) {
      const cut = cutAfter[requests.length] ?? Infinity;
      requests.push(request);
      const end = request.readLimit === 0 ? content.length : request.readOffset + request.readLimit;
      for (let offset = request.readOffset; offset < end; offset += 65_536) {
        if (offset - request.readOffset >= cut) throw unavailable;
        yield { data: content.subarray(offset, Math.min(offset + 65_536, end)) };
      }
    };
    return requests;
  }

  it('takes a broken stream up where it broke (CL-3)', async () => {
    const requests = serve(data, [megabyte, 0, 2 * megabyte]);

    assert.ok(data.equals(await readBlob(store, digest)));

    assert.deepEqual(
      requests.map(({ readOffset }) => readOffset),
      [0, megabyte, megabyte, 3 * megabyte],
    );
    assert.deepEqual(
      new Set(requests.map(({ resourceName }) => resourceName)),
      new Set([`main/blobs/${digest.hash}/${data.length}`]),
    );
    // Each piece that arrives renews the patience.
    assert.deepEqual(scripted.clock.slept, [100, 200, 100]);
  });

  it('takes up a part where it broke, within its limit', async () => {
    const requests = serve(data, [megabyte]);

    const part = await collectBytes(store.read(digest, { offset: megabyte, limit: 2 * megabyte }));

    assert.ok(part.equals(data.subarray(megabyte, 3 * megabyte)));
    assert.deepEqual(
      requests.map(({ readOffset, readLimit }) => [readOffset, readLimit]),
      [
        [megabyte, 2 * megabyte],
        [2 * megabyte, megabyte],
      ],
    );
  });

  it('goes on after a stream that ends too early without an error', async () => {
    let calls = 0;
    scripted.server.script.read = async function* ({ readOffset }) {
      calls += 1;
      yield { data: data.subarray(readOffset, Math.min(readOffset + 2 * megabyte, data.length)) };
    };

    assert.ok(data.equals(await readBlob(store, digest)));

    assert.equal(calls, 3);
  });

  it('gives up on a server that sends nothing for eight attempts (U2)', async () => {
    serve(
      data,
      Array.from({ length: 20 }, () => 0),
    );

    await assert.rejects(readBlob(store, digest), hasCode(Code.Unavailable));

    assert.equal(scripted.server.count('read'), 8);
    assert.equal(scripted.clock.slept.length, 7);
  });

  it('refuses damaged bytes before it has handed on the last of them (CL-5, D2)', async () => {
    const damaged = Buffer.from(data);
    damaged.writeUInt8(damaged.readUInt8(4 * megabyte) ^ 1, 4 * megabyte);
    serve(damaged);
    let seen = 0;

    await assert.rejects(async () => {
      for await (const chunk of store.read(digest)) seen += chunk.length;
    }, hasCode(Code.DataLoss));

    assert.ok(seen < data.length);
  });

  it('reads a damaged blob once more while nothing was handed on yet (CL-5)', async () => {
    const middling = patternedBytes(200_000);
    let calls = 0;
    scripted.server.script.read = async function* () {
      calls += 1;
      yield { data: calls === 1 ? Buffer.alloc(middling.length) : middling };
    };

    assert.ok(middling.equals(await readBlob(store, Digest.of(middling))));
    assert.equal(calls, 2);

    calls = -99;
    scripted.server.script.read = async function* () {
      calls += 1;
      yield { data: Buffer.alloc(middling.length) };
    };
    await assert.rejects(readBlob(store, Digest.of(middling)), hasCode(Code.DataLoss));
    assert.equal(calls, -97);
  });

  it('refuses more bytes than the digest says', async () => {
    serve(Buffer.concat([data, Buffer.from('x')]));

    await assert.rejects(readBlob(store, digest), hasCode(Code.DataLoss));
  });

  it('throws BlobNotFoundError at once', async () => {
    scripted.server.script.read = () => {
      throw new StatusError(Code.NotFound, 'No such blob');
    };

    await assert.rejects(readBlob(store, digest), BlobNotFoundError);
    assert.equal(scripted.server.count('read'), 1);
  });
});

describe('RemoteBlobStore writing by ByteStream', () => {
  let scripted: ScriptedRemote;
  let store: BlobStore;

  beforeEach(async () => {
    scripted = await scriptedRemote();
    store = new RemoteBlobStore(scripted.remote);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  interface Upload {
    readonly name: string;
    readonly offset: number;
    received: Buffer;
  }

  /** Takes uploads; `cutAfter` says after how many bytes each breaks, `keeps` whether the server keeps what it got. */
  function take(cutAfter: readonly number[], keeps = true): Upload[] {
    const uploads: Upload[] = [];
    let kept = Buffer.alloc(0);
    scripted.server.script.write = async (requests) => {
      const cut = cutAfter[uploads.length] ?? Infinity;
      let upload: Upload | undefined;
      for await (const { resourceName, writeOffset, data: bytes, finishWrite } of requests) {
        if (!upload) uploads.push((upload = { name: resourceName, offset: writeOffset, received: Buffer.alloc(0) }));
        assert.equal(writeOffset, upload.offset + upload.received.length);
        upload.received = Buffer.concat([upload.received, bytes]);
        if (upload.received.length >= cut) {
          if (keeps) kept = Buffer.concat([kept, upload.received]);
          throw unavailable;
        }
        if (finishWrite) return { committedSize: writeOffset + bytes.length };
      }
      throw new StatusError(Code.InvalidArgument, 'Not finished');
    };
    scripted.server.script.queryWriteStatus = () => ({ committedSize: kept.length, complete: false });
    return uploads;
  }

  async function withFile(write: (content: SeekableContent) => Promise<void>): Promise<void> {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'blob');
    await writeFile(path, data);
    await write(new SeekableContent({ digest, path }));
  }

  it('sends the bytes in order under a name of its own, and finishes', async () => {
    const uploads = take([]);

    await store.write(digest, inChunks(data, 700_001));

    assert.equal(uploads.length, 1);
    assert.ok(data.equals(uploads[0]!.received));
    assert.match(uploads[0]!.name, new RegExp(`^main/uploads/[0-9a-f-]{36}/blobs/${digest.hash}/${data.length}$`));
  });

  it('takes a broken upload of a file up at what the server has kept (CL-3)', async () => {
    const uploads = take([megabyte, 2 * megabyte]);

    await withFile((content) => store.write(digest, content));

    assert.deepEqual(
      uploads.map(({ offset }) => offset),
      [0, megabyte, 3 * megabyte],
    );
    assert.equal(new Set(uploads.map(({ name }) => name)).size, 1);
    assert.ok(data.equals(Buffer.concat(uploads.map(({ received }) => received))));
  });

  it('takes up content that can be read only once from what it remembers', async () => {
    const uploads = take([2 * megabyte]);

    await store.write(digest, inChunks(data, 131_072));

    assert.deepEqual(
      uploads.map(({ offset }) => offset),
      [0, 2 * megabyte],
    );
    assert.ok(data.equals(Buffer.concat(uploads.map(({ received }) => received))));
  });

  for (const code of [Code.NotFound, Code.Unimplemented]) {
    it(`begins anew, under a new name, when QueryWriteStatus says ${code} (CL-3)`, async () => {
      const uploads = take([megabyte], false);
      scripted.server.script.queryWriteStatus = () => {
        throw new StatusError(code, 'No idea');
      };

      await withFile((content) => store.write(digest, content));

      assert.deepEqual(
        uploads.map(({ offset }) => offset),
        [0, 0],
      );
      assert.equal(new Set(uploads.map(({ name }) => name)).size, 2);
      assert.ok(data.equals(uploads[1]!.received));
    });
  }

  it('begins anew when the server no longer knows the offset that it had told (BS-8)', async () => {
    const uploads = take([megabyte]);
    const takeOne = scripted.server.script.write!;
    let calls = 0;
    scripted.server.script.write = async (requests, context) => {
      calls += 1;
      if (calls === 2) throw new StatusError(Code.InvalidArgument, 'Offset 0 is wanted');
      return takeOne(requests, context);
    };

    await withFile((content) => store.write(digest, content));

    assert.equal(calls, 3);
    assert.deepEqual(
      uploads.map(({ offset }) => offset),
      [0, 0],
    );
  });

  it('is done when QueryWriteStatus says so', async () => {
    take([megabyte]);
    scripted.server.script.queryWriteStatus = () => ({ committedSize: data.length, complete: true });

    await withFile((content) => store.write(digest, content));

    assert.deepEqual(scripted.server.calls, ['getCapabilities', 'write', 'queryWriteStatus']);
  });

  it('is done when the server answers before the end (CL-2)', async () => {
    scripted.server.script.write = async () => ({ committedSize: data.length });

    await store.write(digest, inChunks(data, 65_536));

    assert.equal(scripted.server.count('write'), 1);
  });

  it('does not take another committed size for success (CL-2)', async () => {
    let calls = 0;
    scripted.server.script.write = async () => ({ committedSize: (calls += 1) === 1 ? 7 : data.length });

    await withFile((content) => store.write(digest, content));

    assert.equal(calls, 2);
  });

  it('throws what it last heard when content that can be read only once is out of reach', async () => {
    const uploads = take([5 * megabyte], false);
    const long = patternedBytes(20 * megabyte);

    await assert.rejects(store.write(Digest.of(long), inChunks(long, megabyte)), hasCode(Code.Unavailable));

    assert.equal(uploads.length, 1);
  });

  it('does not repeat what the server refuses, nor reads on', async () => {
    scripted.server.script.write = async () => {
      throw new StatusError(Code.PermissionDenied, 'Read-only');
    };

    await assert.rejects(store.write(digest, inChunks(data, 65_536)), hasCode(Code.PermissionDenied));

    assert.equal(scripted.server.count('write'), 1);
  });

  it('tells of a file that cannot be read, without another attempt', async () => {
    take([]);
    const content = new SeekableContent({ digest, path: '/nowhere/at/all' });

    await assert.rejects(store.write(digest, content), /\/nowhere\/at\/all does not exist/);

    assert.ok(scripted.server.count('write') <= 1);
  });

  it('refuses at once a blob that is larger than the server takes (CL-7)', async () => {
    scripted.server.script.getCapabilities = () => ({ cacheCapabilities: { maxCasBlobSizeBytes: 1_000 } });

    await assert.rejects(store.write(digest, inChunks(data, 65_536)), /too large for .* up to 1000 bytes/);

    assert.equal(scripted.server.count('write'), 0);
  });
});
