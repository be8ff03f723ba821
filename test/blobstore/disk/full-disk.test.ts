import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Code } from '../../../src/common/code.js';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { DiskBlobStore } from '../../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { leaveOut } from '../../helpers/capabilities.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { hasCode } from '../../helpers/has-code.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { inChunks } from '../contract/blob-store.js';

const run = promisify(execFile);

const mebibyte = 1024 * 1024;

describe('DiskBlobStore on a full disk (U5, D3)', () => {
  const lifecycle = new Lifecycle();
  let disk: string;
  let path: string;
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  let store: DiskBlobStore;
  const data = Buffer.alloc(2 * mebibyte, 7);
  const digest = Digest.of(data);

  before(async function () {
    if (process.getuid?.() !== 0) leaveOut(this, 'root', 'the store on a full disk (mounting a tmpfs needs root)');
    disk = join(lifecycle.use(await temporaryDirectory()).path, 'disk');
    path = join(disk, 'cas');
    await mkdir(disk);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
    lifecycle.defer(() => run('umount', [disk]));
    store = lifecycle.use(await DiskBlobStore.open({ path, clock, logger }));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  afterEach(async () => {
    await rm(join(disk, 'filler'), { force: true });
    await store.delete([digest]);
    clock.advance(2_000);
  });

  it('refuses an upload that would not leave the floor of free space, before its first byte', async () => {
    await writeFile(join(disk, 'filler'), Buffer.alloc(5.7 * mebibyte));
    let isRead = false;
    const content = (async function* () {
      isRead = true;
      yield data;
    })();

    await assert.rejects(store.write(digest, content), hasCode(Code.ResourceExhausted));

    assert.equal(isRead, false);
  });

  it('reports a disk that fills up during an upload as RESOURCE_EXHAUSTED, and leaves nothing of it', async () => {
    const small = Buffer.from('small');
    assert.deepEqual(await store.writeBatch([{ digest: Digest.of(small), data: small }]), [undefined]);
    // The clock stands still: what the store knows of the free space is from before.
    await writeFile(join(disk, 'filler'), Buffer.alloc(7 * mebibyte));

    await assert.rejects(store.write(digest, inChunks(data, 65_536)), hasCode(Code.ResourceExhausted));
    const [outcome] = await store.writeBatch([{ digest, data }]);

    assert.equal(outcome?.code, Code.ResourceExhausted);
    assert.deepEqual(await store.findMissing([digest]), [digest]);
    assert.deepEqual(await readdir(join(path, 'tmp')), []);
    assert.equal(String(await readBlob(store, Digest.of(small))), 'small');
  });

  it('takes uploads again when there is room, and has logged the trouble once', async () => {
    await store.write(digest, inChunks(data, 65_536));

    assert.ok(data.equals(await readBlob(store, digest)));
    const messages = logger.lines.map(({ message }) => message);
    assert.deepEqual(messages.slice(-2), ['Blobs cannot be stored', 'Blobs can be stored again']);
  });
});
