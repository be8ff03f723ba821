import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, readdir, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Code } from '../../../src/common/code.js';
import { Digest } from '../../../src/digest/digest.js';
import { chunks } from '../../helpers/chunks.js';
import { hasCode } from '../../helpers/has-code.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { patternedBytes } from '../contract/blob-store.js';
import { DiskSite, unlock } from './disk-site.js';

describe('Damage in a DiskBlobStore', () => {
  const hello = Digest.of(Buffer.from('hello'));
  const data = patternedBytes(2 * 1024 * 1024);
  const large = Digest.of(data);
  let site: DiskSite;
  let logger: RecordingLogger;

  beforeEach(async () => {
    logger = new RecordingLogger();
    site = await DiskSite.open({ logger });
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const quarantined = (): Promise<string[]> => readdir(join(site.path, 'quarantine'));

  it('makes a truncated blob absent, and its file is put aside (CAS-4)', async () => {
    await site.put(data);
    await unlock(site.fileOf(large));
    await truncate(site.fileOf(large), 2);

    await assert.rejects(readBlob(site.store, large), BlobNotFoundError);

    assert.deepEqual(await site.store.findMissing([large]), [large]);
    assert.deepEqual(await quarantined(), [`sha256-${large.hash}-${large.sizeBytes}`]);
    assert.equal(logger.lines.length, 1);
    await site.put(data);
    assert.ok(data.equals(await readBlob(site.store, large)));
  });

  it('keeps no file from being found because another has a name that no blob can have', async () => {
    await site.put(data);
    const { hash, function: fn } = Digest.empty();
    await site.reopen({}, async () => {
      const folder = join(site.path, fn.segment, hash.slice(0, 2));
      await mkdir(folder, { recursive: true });
      for (const name of [`${hash}-7`, `${hash}-0`, hash, 'x']) await writeFile(join(folder, name), 'content');
    });

    const listed: string[] = [];
    for await (const digest of site.store.list()) listed.push(String(digest));

    assert.deepEqual(listed, [String(large)]);
    assert.deepEqual(logger.lines, []);
  });

  it('makes a blob that grew absent', async () => {
    await site.put(data);
    await unlock(site.fileOf(large));
    await appendFile(site.fileOf(large), '!');

    await assert.rejects(readBlob(site.store, large), BlobNotFoundError);
  });

  it('makes a blob absent whose file has vanished, and it is taken again', async () => {
    await site.put(data);
    await unlink(site.fileOf(large));

    await assert.rejects(readBlob(site.store, large), BlobNotFoundError);

    assert.deepEqual(await site.store.findMissing([large]), [large]);
    await site.put(data);
    assert.ok(data.equals(await readBlob(site.store, large)));
  });

  it('makes a packed blob absent whose segment was cut off, and it is taken again', async () => {
    await site.put('hello');
    for (const name of await site.packs()) await truncate(join(site.path, 'packs', name), 20);

    await assert.rejects(readBlob(site.store, hello), BlobNotFoundError);

    assert.deepEqual(await site.store.findMissing([hello]), [hello]);
    await site.put('hello');
    assert.equal(String(await readBlob(site.store, hello)), 'hello');
    await site.reopen();
    assert.equal(String(await readBlob(site.store, hello)), 'hello');
  });

  it('is never served through a verifying store, and the bytes are kept for a look at them (D2)', async () => {
    const flipped = Buffer.from(data);
    flipped[1_500_000]! ^= 1;
    await site.put('hello');
    await site.put(data);
    await site.tamper('hello', 'jello');
    await unlock(site.fileOf(large));
    await writeFile(site.fileOf(large), flipped);
    const verifying = new VerifyingBlobStore(site.store, logger);

    await assert.rejects(readBlob(verifying, hello), BlobNotFoundError);
    await assert.rejects(readBlob(verifying, large), hasCode(Code.DataLoss));

    assert.deepEqual(await verifying.findMissing([hello, large]), [hello, large]);
    const kept = join(site.path, 'quarantine');
    assert.equal(await readFile(join(kept, `sha256-${hello.hash}-5`), 'utf8'), 'jello');
    assert.ok(flipped.equals(await readFile(join(kept, `sha256-${large.hash}-${large.sizeBytes}`))));
    assert.equal((await site.store.stats()).figures?.['quarantinedBlobs'], 2);
    assert.deepEqual(
      logger.lines.map(({ message }) => message),
      Array.from({ length: 2 }, () => 'A stored blob does not hash to its digest and is put aside'),
    );
  });

  it('does not come back with a restart', async () => {
    await site.put('hello');
    await site.tamper('hello', 'jello');
    await site.store.quarantine(hello);

    await site.reopen();

    assert.deepEqual(await site.store.findMissing([hello]), [hello]);
  });

  it('is looked for again before a blob is put aside: one that is right stays', async () => {
    await site.put('hello');
    await site.put(data);

    await site.store.quarantine(hello);
    await site.store.quarantine(large);
    await site.store.quarantine(Digest.of(Buffer.from('absent')));

    assert.deepEqual(await site.store.findMissing([hello, large]), []);
    assert.equal((await site.store.stats()).figures?.['quarantinedBlobs'], 0);
  });

  it('of one blob, again and again, is put aside each time: the newest bytes are kept', async () => {
    for (const text of ['jello', 'cello']) {
      await site.put('hello');
      await site.tamper('hello', text);
      await site.store.quarantine(hello);

      assert.deepEqual(await site.store.findMissing([hello]), [hello]);
      assert.equal(await readFile(join(site.path, 'quarantine', `sha256-${hello.hash}-5`), 'utf8'), text);
    }
  });

  it('that cannot be kept for a look at it is taken away all the same', async () => {
    await site.put('hello');
    await site.put(data);
    await site.tamper('hello', 'jello');
    await unlock(site.fileOf(large));
    await truncate(site.fileOf(large), 2);
    await writeFile(join(site.path, 'quarantine'), 'in the way');

    await site.store.quarantine(hello);
    await site.store.quarantine(large);

    assert.deepEqual(await site.store.findMissing([hello, large]), [hello, large]);
    await assert.rejects(stat(site.fileOf(large)));
    assert.deepEqual(
      logger.lines.map(({ message }) => message),
      Array.from({ length: 2 }, () => 'A damaged blob cannot be kept for a look at it'),
    );
  });

  it('is not kept without end', async () => {
    const blobs = Array.from({ length: 103 }, (_, index) => Buffer.alloc(100_000, `blob ${index}`));
    for (const blob of blobs) await site.put(blob);

    for (const blob of blobs) {
      const digest = Digest.of(blob);
      await unlock(site.fileOf(digest));
      await truncate(site.fileOf(digest), 0);
      await assert.rejects(readBlob(site.store, digest), BlobNotFoundError);
    }

    assert.equal((await quarantined()).length, 100);
    assert.equal((await site.store.stats()).blobs, 0);
  });

  it('of a folder is UNAVAILABLE, logged once, and heals by itself (U5)', async () => {
    await site.put(patternedBytes(70_000));
    await rm(join(site.path, 'tmp'), { recursive: true });

    await assert.rejects(site.store.write(large, chunks(data)), hasCode(Code.Unavailable));
    const [outcome] = await site.store.writeBatch([{ digest: large, data }]);
    assert.equal(outcome?.code, Code.Unavailable);
    await mkdir(join(site.path, 'tmp'));
    await site.put(data);

    assert.deepEqual(
      logger.lines.map(({ message }) => message),
      ['Blobs cannot be stored', 'Blobs can be stored again'],
    );
  });
});
