import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA256 } from '../../src/digest/digest-function.js';
import type { reapi } from '../../src/proto/index.js';
import { inlineOutputs, type InlineHints } from '../../src/services/inline-outputs.js';

describe('inlineOutputs (AC-3)', () => {
  const mebibyte = 1024 * 1024;
  const all: InlineHints = { inlineStdout: true, inlineStderr: true, inlineOutputFiles: ['a', 'b'] };
  let blobs: MemoryBlobStore;

  beforeEach(() => {
    blobs = new MemoryBlobStore({ maxBytes: 64 * mebibyte });
  });

  async function put(data: Buffer): Promise<{ hash: string; sizeBytes: number }> {
    const digest = Digest.of(data);
    await blobs.writeBatch([{ digest, data }]);
    return digest.toProto();
  }

  const inline = (result: reapi.ActionResult.$Properties, hints: InlineHints) =>
    inlineOutputs(result, hints, { blobs, fn: SHA256 });

  it('leaves out what nobody asked for, and keeps bytes that no digest stands for', async () => {
    const stdoutRaw = Buffer.from('out');
    const stderrRaw = Buffer.from('err');

    const result = await inline({ stdoutRaw, stdoutDigest: Digest.of(stdoutRaw).toProto(), stderrRaw }, {});

    assert.equal(result.stdoutRaw?.length ?? 0, 0);
    assert.deepEqual(result.stderrRaw, stderrRaw);
  });

  it('puts in what was asked for, and keeps its digest', async () => {
    const digest = await put(Buffer.from('hello'));

    const result = await inline(
      {
        stdoutDigest: digest,
        outputFiles: [
          { path: 'a', digest },
          { path: 'c', digest },
        ],
      },
      all,
    );

    assert.equal(String(Buffer.from(result.stdoutRaw ?? [])), 'hello');
    assert.deepEqual(result.stdoutDigest, digest);
    assert.deepEqual(
      result.outputFiles?.map(({ contents }) => contents?.length ?? 0),
      [5, 0],
    );
  });

  it('skips what would not fit in a message, and goes on with what does', async () => {
    const large = await put(Buffer.alloc(5 * mebibyte));
    const half = await put(Buffer.alloc(2 * mebibyte));
    const small = await put(Buffer.from('small'));

    const result = await inline(
      {
        stdoutDigest: large,
        stderrDigest: half,
        outputFiles: [
          { path: 'a', digest: half },
          { path: 'b', digest: small },
        ],
      },
      all,
    );

    assert.equal(result.stdoutRaw?.length ?? 0, 0);
    assert.equal(result.stderrRaw?.length, 2 * mebibyte);
    assert.deepEqual(
      result.outputFiles?.map(({ contents }) => contents?.length ?? 0),
      [0, 5],
    );
  });

  it('leaves a blob that cannot be read to the client', async () => {
    const stdoutDigest = Digest.of(Buffer.from('lost')).toProto();

    const result = await inline({ stdoutDigest }, all);

    assert.equal(result.stdoutRaw?.length ?? 0, 0);
    assert.deepEqual(result.stdoutDigest, stdoutDigest);
  });
});
