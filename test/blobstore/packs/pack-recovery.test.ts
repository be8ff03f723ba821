import assert from 'node:assert/strict';
import { appendFile, copyFile, cp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Blob } from '../../../src/blobstore/blob-store.js';
import { PackFolder } from '../../../src/blobstore/packs/pack-folder.js';
import { headerBytes, packedBytes } from '../../../src/blobstore/packs/pack-record.js';
import { BLAKE3, SHA256, loadDigestFunctions } from '../../../src/digest/digest-function.js';
import { Digest } from '../../../src/digest/digest.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { blobOf, filesIn, listed, textsOf } from './pack-bench.js';

describe('PackFolder after damage', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;
  const blobs = [blobOf('first'), blobOf('second'), blobOf('third')];
  const recordLength = packedBytes(SHA256, 6);

  before(loadDigestFunctions);

  beforeEach(async () => {
    directory = await temporaryDirectory();
    path = join(directory.path, 'packs');
  });

  afterEach(() => directory[Symbol.asyncDispose]());

  /** A folder with one segment, in which the records of `contents` stand in this order. Returns the path of the segment. */
  async function packed(contents: readonly Blob[]): Promise<string> {
    await using folder = await PackFolder.open({ path });
    await folder.append(contents);
    return (await filesIn(path, '.pack'))[0]!;
  }

  /** As {@link packed}, as a crash would leave it. */
  async function unhinted(contents: readonly Blob[]): Promise<string> {
    const file = await packed(contents);
    await removeHints();
    return file;
  }

  async function removeHints(): Promise<void> {
    for (const hint of await filesIn(path, '.hint')) await rm(hint);
  }

  /** Makes the byte at `position` of a file another one. */
  async function damage(file: string, position: number): Promise<void> {
    const bytes = await readFile(file);
    bytes[position]! ^= 0x10;
    await writeFile(file, bytes);
  }

  /** The texts of `contents` that a start finds and reads. */
  async function found(
    contents: readonly Blob[] = blobs,
    logger = new RecordingLogger(),
  ): Promise<(string | undefined)[]> {
    await using folder = await PackFolder.open({ path, logger });
    return await textsOf(folder, await listed(folder), contents);
  }

  it('cuts a record off whose end is missing, wherever it was torn', async () => {
    const file = await unhinted(blobs);
    const whole = await readFile(file);
    const start = 2 * recordLength;
    const dataEnd = start + headerBytes + 32 + 5;

    for (let end = start; end <= whole.length; end += 1) {
      await removeHints();
      await writeFile(file, whole.subarray(0, end));

      const isWhole = end >= dataEnd;
      assert.deepEqual(await found(), isWhole ? ['first', 'second', 'third'] : ['first', 'second'], `torn at ${end}`);
      assert.equal((await stat(file)).size, isWhole ? end : start);
    }
  });

  it('loses only the record in which a byte is another one', async () => {
    const file = await unhinted(blobs);
    const whole = await readFile(file);
    const dataEnd = recordLength + headerBytes + 32 + 6;

    for (let position = recordLength; position < 2 * recordLength; position += 1) {
      await removeHints();
      const damaged = Buffer.from(whole);
      damaged[position]! ^= 0x10;
      await writeFile(file, damaged);
      const logger = new RecordingLogger();

      const isPadding = position >= dataEnd;
      const texts = await found(blobs, logger);

      assert.deepEqual(texts, isPadding ? ['first', 'second', 'third'] : ['first', 'third'], `damaged at ${position}`);
      assert.equal(logger.lines.filter(({ level }) => level === 'error').length, isPadding ? 0 : 1);
    }
  });

  it('does not look again for what a start has found damaged', async () => {
    const file = await unhinted(blobs);
    await damage(file, recordLength + headerBytes + 32);
    await found();
    const logger = new RecordingLogger();

    assert.deepEqual(await found(blobs, logger), ['first', 'third']);
    assert.deepEqual(logger.lines, []);
  });

  it('finds the records behind a long damaged part', async () => {
    const many = Array.from({ length: 400 }, (_, index) => blobOf(`blob ${index} `.padEnd(20_000, '.'), BLAKE3));
    const file = await unhinted(many);
    const damaged = await readFile(file);
    const recordBytes = packedBytes(BLAKE3, 20_000);
    damaged.fill(0xb6, 10 * recordBytes + 7, 200 * recordBytes + 13);
    await writeFile(file, damaged);

    const texts = await found(many);

    const expected = many.filter((_, index) => index < 10 || index > 200).map(({ data }) => String(data));
    assert.deepEqual(texts, expected);
  });

  it('takes zeros behind the last record for what they are', async () => {
    const file = await unhinted(blobs);
    const { size } = await stat(file);
    await appendFile(file, Buffer.alloc(3 * 1024 * 1024));

    assert.deepEqual(await found(), ['first', 'second', 'third']);
    assert.equal((await stat(file)).size, size);
  });

  it('takes zeros in the place of a record that the file is long enough for', async () => {
    const file = await unhinted(blobs);
    const zeroed = await readFile(file);
    zeroed.fill(0, 2 * recordLength + headerBytes + 32);
    await writeFile(file, zeroed);

    assert.deepEqual(await found(), ['first', 'second']);
    assert.equal((await stat(file)).size, 2 * recordLength);
  });

  it('takes a file of zeros', async () => {
    const file = await unhinted(blobs);
    await writeFile(file, Buffer.alloc(100_000));

    assert.deepEqual(await found(), []);
    assert.deepEqual(await found(), []);
  });

  it('does not take a record of another segment for one, that stands inside of a blob', async () => {
    const foreign = blobOf('from elsewhere');
    const record = await readFile(await packed([foreign]));
    await rm(path, { recursive: true });
    const file = await unhinted([{ digest: Digest.of(record), data: record }]);
    await damage(file, 0);

    assert.deepEqual(await found([foreign]), []);
  });

  it('does not take a copy of an own record for one, that stands inside of a blob', async () => {
    const deleted = blobOf('deleted');
    const file = await packed([deleted]);
    const record = await readFile(file);
    {
      await using folder = await PackFolder.open({ path });
      const place = (await listed(folder)).get(deleted.digest.key)!;
      await folder.forget([{ digest: deleted.digest, place }]);
      await folder.append([{ digest: Digest.of(record), data: record }]);
    }
    await removeHints();
    await damage(file, record.length + packedBytes(SHA256, 0));

    assert.deepEqual(await found([deleted]), []);
  });

  describe('of hints', () => {
    it('reads the segment when its hint is lost, and makes another', async () => {
      await unhinted(blobs);

      assert.deepEqual(await found(), ['first', 'second', 'third']);

      assert.equal((await filesIn(path, '.hint')).length, 1);
    });

    it('does not read the segment when there is a hint', async () => {
      const file = await packed(blobs);
      await damage(file, headerBytes + 32);

      assert.deepEqual(await found(), ['virst', 'second', 'third']);
    });

    it('does not believe a hint in which a byte is another one, or that is cut off', async () => {
      const file = await packed(blobs);
      await damage(file, headerBytes + 32); // Tells whether the segment was read.
      const [hint = ''] = await filesIn(path, '.hint');
      const whole = await readFile(hint);

      for (let position = 0; position < whole.length; position += 3) {
        const other = Buffer.from(whole);
        other[position]! ^= 0x01;
        await writeFile(hint, other);
        assert.deepEqual(await found(), ['second', 'third'], `damaged at ${position}`);
        await writeFile(hint, whole.subarray(0, position));
        assert.deepEqual(await found(), ['second', 'third'], `cut off at ${position}`);
      }
    });

    it('does not believe the hint of another segment', async () => {
      await packed([blobOf('from elsewhere')]);
      const [foreign = ''] = await filesIn(path, '.hint');
      await cp(foreign, join(directory.path, 'foreign'));
      await rm(path, { recursive: true });
      await packed(blobs);
      await copyFile(join(directory.path, 'foreign'), (await filesIn(path, '.hint'))[0]!);

      assert.deepEqual(await found(), ['first', 'second', 'third']);
    });

    it('does not believe a hint that knows of more than there is', async () => {
      const file = await packed(blobs);
      await truncate(file, 2 * recordLength);

      assert.deepEqual(await found(), ['first', 'second']);
    });

    it('believes a hint that knows of less as far as it goes', async () => {
      const crashed = join(directory.path, 'crashed');
      const file = await packed(blobs);
      await damage(file, headerBytes + 32);
      {
        await using folder = await PackFolder.open({ path });
        await folder.append([blobOf('fourth')]);
        await cp(path, crashed, { recursive: true });
      }
      path = crashed;
      await appendFile((await filesIn(path, '.pack'))[0]!, 'torn');

      assert.deepEqual(await found([...blobs, blobOf('fourth')]), ['virst', 'second', 'third', 'fourth']);
    });

    it('sweeps those out that belong to no segment', async () => {
      await packed(blobs);
      await writeFile(join(path, '00000009-00000000.hint'), 'x');
      await writeFile(join(path, '00000001-00000000.hint.tmp'), 'x');

      assert.deepEqual(await found(), ['first', 'second', 'third']);

      assert.equal((await filesIn(path, '.hint')).length, 1);
    });
  });
});
