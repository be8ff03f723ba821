import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { walkDirectories, walkDirectoriesTolerantly } from '../../src/merkle/walk-directories.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';

describe('walkDirectories', () => {
  let blobs: BlobStore;

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
  });

  const put = async (data: Uint8Array): Promise<Digest> => {
    const digest = Digest.of(data);
    await blobs.writeBatch([{ digest, data }]);
    return digest;
  };
  const directory = (children: Record<string, Digest>): Promise<Digest> =>
    put(
      reapi.Directory.encode({
        directories: Object.entries(children).map(([name, digest]) => ({ name, digest: digest.toProto() })),
        // So that no two are alike by chance.
        files: [{ name: 'names of children', digest: Digest.of(Buffer.from(Object.keys(children).join())).toProto() }],
      }).finish(),
    );
  const walk = async (root: Digest): Promise<[string, boolean][]> => {
    const visits: [string, boolean][] = [];
    for await (const { digest, directory: found } of walkDirectories(blobs, root)) {
      visits.push([String(digest), found !== undefined]);
    }
    return visits;
  };

  it('visits parents before children, each distinct Directory once', async () => {
    const leaf = await directory({});
    const [left, right] = [await directory({ l: leaf }), await directory({ r: leaf })];
    const root = await directory({ left, right });

    const visits = await walk(root);

    assert.deepEqual(
      visits,
      [root, left, right, leaf].map((digest) => [String(digest), true]),
    );
  });

  it('visits what the store lacks, without its message', async () => {
    const missing = Digest.of(Buffer.from('not uploaded'));
    const root = await directory({ missing });

    assert.deepEqual(await walk(root), [
      [String(root), true],
      [String(missing), false],
    ]);
  });

  it('follows a chain far deeper than the call stack', async () => {
    let digest = await directory({});
    for (let depth = 0; depth < 3_000; depth += 1) digest = await directory({ [`d${depth}`]: digest });

    assert.equal((await walk(digest)).length, 3_001);
  });

  it('refuses a malformed Directory, naming it (DIG-12)', async () => {
    const bad = await put(
      reapi.Directory.encode({ files: [{ name: '..', digest: Digest.empty().toProto() }] }).finish(),
    );
    const root = await directory({ bad });

    await assert.rejects(walk(root), (reason: Error) => {
      assert.match(reason.message, new RegExp(String(bad)));
      return hasCode(Code.InvalidArgument)(reason);
    });
  });

  it('refuses a Directory with a malformed digest of a child', async () => {
    const bad = await put(
      reapi.Directory.encode({ directories: [{ name: 'd', digest: { hash: 'abc', sizeBytes: 1 } }] }).finish(),
    );

    await assert.rejects(walk(bad), hasCode(Code.InvalidArgument));
  });

  it('refuses to read a blob that is too large for a Directory (U4)', async () => {
    const large = Digest.from('a'.repeat(64), 17 * 1024 * 1024);

    await assert.rejects(walk(await directory({ large })), hasCode(Code.InvalidArgument));
  });

  it('goes on behind a malformed Directory when it is to be tolerant, and tells its fault (CAS-9)', async () => {
    const bad = await put(Buffer.from([0xff, 0xff]));
    const good = await directory({});
    const root = await directory({ bad, good });

    const faults: (Code | undefined)[] = [];
    for await (const { fault } of walkDirectoriesTolerantly(blobs, root)) faults.push(fault?.code);

    assert.deepEqual(faults, [undefined, Code.InvalidArgument, undefined]);
  });

  it('throws trouble of the store, tolerant or not', async () => {
    const root = await directory({});
    // eslint-disable-next-line require-yield -- It fails before there is anything to yield.
    blobs.read = async function* () {
      throw new StatusError(Code.Unavailable, 'down');
    };

    await assert.rejects(walk(root), hasCode(Code.Unavailable));
    await assert.rejects(async () => {
      for await (const visit of walkDirectoriesTolerantly(blobs, root)) assert.ok(visit);
    }, hasCode(Code.Unavailable));
  });
});
