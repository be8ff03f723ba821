import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { ZstdCodec } from '../../src/codec/zstd/zstd-codec.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { writeResourceName } from '../../src/digest/resource-name.js';
import { bytestream } from '../../src/proto/index.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { PartialUploads } from '../../src/services/partial-uploads.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { Messages, type WriteMessage } from '../helpers/write-messages.js';

describe('An upload that broke off', () => {
  const data = patternedBytes(3_000_000);
  const digest = Digest.of(data);
  const name = writeResourceName('', 'some-uuid', digest);
  const invalid = hasCode(Code.InvalidArgument);
  const aborted = hasCode(Code.Aborted);
  const context = fakeCallContext();
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let disk: DiskBlobStore;
  let blobs: BlobStore;
  let clock: FakeClock;
  let partialUploads: PartialUploads;
  let service: ByteStreamService;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    disk = await DiskBlobStore.open({ path: folder.path, maxBytes: 100_000_000 });
    blobs = new VerifyingBlobStore(disk);
    clock = new FakeClock();
    use({});
  });

  afterEach(async () => {
    await partialUploads[Symbol.asyncDispose]();
    assert.deepEqual(await temporaryFiles(), []);
    await disk[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const use = (options: ConstructorParameters<typeof PartialUploads>[0]): void => {
    partialUploads = new PartialUploads({ clock, keepMs: 1_000, ...options });
    service = new ByteStreamService(new InstanceRegistry(new Map([['', { blobs }]])), { partialUploads, clock });
  };

  const temporaryFiles = (): Promise<string[]> => readdir(join(folder.path, 'tmp'));

  const status = async (resourceName = name): Promise<bytestream.QueryWriteStatusResponse.$Properties> =>
    service.queryWriteStatus(bytestream.QueryWriteStatusRequest.create({ resourceName }), context);

  const part = (start: number, end: number): WriteMessage => ({
    writeOffset: start,
    data: data.subarray(start, end),
    finishWrite: end === data.length,
  });

  /** Begins a stream with the bytes from `start` to `end`, and waits until they have come. */
  const begin = async (start: number, end: number, resourceName = name) => {
    const messages = new Messages();
    const written = service.write(messages, context);
    written.catch(() => undefined);
    messages.send({ resourceName, ...part(start, end) });
    const { instanceName, uuid } = { instanceName: '', uuid: resourceName.split('/')[1]! };
    const canonical = writeResourceName(instanceName, uuid, digest);
    await until(() => partialUploads.committedSize(canonical) === end);
    return { messages, written };
  };

  /** Sends the bytes from `start` to the end. */
  const finish = async (start: number, resourceName = name): Promise<number | null | undefined> => {
    const messages = new Messages();
    const middle = Math.floor((start + data.length) / 2);
    messages.send({ resourceName, ...part(start, middle) });
    messages.send(part(middle, data.length));
    messages.end();
    return (await service.write(messages, context)).committedSize;
  };

  const isStored = async (): Promise<boolean> => (await blobs.findMissing([digest])).length === 0;

  it('goes on where it stands, and is verified as a whole (BS-8, BS-14, BS-15)', async () => {
    const { messages, written } = await begin(0, 1_000_000);
    assert.deepEqual(await status(), { committedSize: 1_000_000, complete: false });
    messages.fail();
    await assert.rejects(written, /connection reset/);
    assert.deepEqual(await status(), { committedSize: 1_000_000, complete: false });
    assert.equal(await isStored(), false);

    assert.equal(await finish(1_000_000), data.length);

    assert.deepEqual(await status(), { committedSize: data.length, complete: true });
    assert.ok(data.equals(await readBlob(blobs, digest)));
  });

  it('can break off more than once', async () => {
    let sent = 0;
    for (const end of [1, 700_000, 2_999_999]) {
      const { messages, written } = await begin(sent, end);
      messages.send(part(end, end));
      messages.fail();
      await assert.rejects(written);
      sent = end;
    }

    assert.equal(await finish(sent), data.length);
    assert.ok(data.equals(await readBlob(blobs, digest)));
  });

  it('goes on also after its client had ended the stream too soon, which is refused (BS-9)', async () => {
    const { messages, written } = await begin(0, 5);
    messages.end();
    await assert.rejects(written, invalid);

    assert.equal(await finish(5), data.length);
  });

  it('goes on while the server has not noticed yet that the old connection is gone', async () => {
    const { written } = await begin(0, 1_000_000);

    assert.equal(await finish(1_000_000), data.length);

    await assert.rejects(written, aborted);
  });

  it('goes on nowhere else, and is not lost by the attempt (BS-8)', async () => {
    const { messages } = await begin(0, 1_000_000);
    messages.fail();

    for (const offset of [1, 999_999, 1_000_001, 2_999_999]) await assert.rejects(finish(offset), invalid);

    assert.equal((await status()).committedSize, 1_000_000);
    await assert.rejects(finish(5, writeResourceName('', 'other-uuid', digest)), invalid);
    assert.equal(await finish(1_000_000), data.length);
  });

  it('begins anew at 0, and then nothing is kept of the first attempt', async () => {
    const { messages, written } = await begin(0, 1_000_000);
    messages.fail();
    await assert.rejects(written);

    const again = await begin(0, 5);
    again.messages.fail();
    await assert.rejects(again.written);

    assert.equal((await status()).committedSize, 5);
    while ((await temporaryFiles()).length > 1) await new Promise(setImmediate);
    assert.equal(await finish(0), data.length);
  });

  it('does not disturb another stream of the same name (BS-14)', async () => {
    const first = await begin(0, 1_000_000);
    const second = await begin(0, 5);

    first.messages.send(part(1_000_000, data.length));
    first.messages.end();

    assert.equal((await first.written).committedSize, data.length);
    second.messages.fail();
    await assert.rejects(second.written);
  });

  it('is kept apart from others by uuid and instance, and not by what stands behind the size (BS-3)', async () => {
    const { messages } = await begin(0, 1_000_000, `${name}/some/metadata`);
    messages.fail();

    assert.equal((await status(writeResourceName('', 'other-uuid', digest))).committedSize, 0);
    assert.equal((await status()).committedSize, 1_000_000);
    assert.equal(await finish(1_000_000, `${name}/other`), data.length);
  });

  it('is over when its bytes are wrong', async () => {
    const { messages, written } = await begin(0, 5);
    messages.send({ writeOffset: 5, data: Buffer.alloc(data.length - 5), finishWrite: true });
    messages.end();

    await assert.rejects(written, invalid);

    assert.equal((await status()).committedSize, 0);
    assert.deepEqual(await temporaryFiles(), []);
  });

  it('is over when its client has broken the rules', async () => {
    const { messages, written } = await begin(0, 5);
    messages.send({ writeOffset: 7, data: Buffer.from('x') });

    await assert.rejects(written, invalid);

    assert.equal((await status()).committedSize, 0);
  });

  it('is acknowledged when somebody else has stored the blob meanwhile (BS-11)', async () => {
    const { messages } = await begin(0, 1_000_000);
    messages.fail();
    await service.write(singleMessage(writeResourceName('', 'other-uuid', digest)), context);

    assert.equal(await finish(1_000_000), data.length);
    assert.deepEqual(await status(), { committedSize: data.length, complete: true });
  });

  for (const [how, learn] of [
    ['asks', () => status()],
    ['writes', () => finish(1_000_000)],
  ] as const) {
    it(`is dropped when somebody else has stored the blob meanwhile, and its client ${how} (BS-11)`, async () => {
      const { messages, written } = await begin(0, 1_000_000);
      messages.fail();
      await assert.rejects(written);
      await service.write(singleMessage(writeResourceName('', 'other-uuid', digest)), context);

      await learn();

      await until(async () => (await temporaryFiles()).length === 0);
    });
  }

  async function* singleMessage(resourceName: string): AsyncIterable<bytestream.WriteRequest> {
    yield bytestream.WriteRequest.create({ resourceName, data, finishWrite: true });
  }

  it('is dropped when nobody goes on with it in time', async () => {
    const { messages, written } = await begin(0, 1_000_000);
    messages.fail();
    await assert.rejects(written);
    assert.equal((await temporaryFiles()).length, 1);

    clock.advance(1_000);

    await until(() => partialUploads.committedSize(name) === 0);
    await assert.rejects(finish(1_000_000), invalid);
    while ((await temporaryFiles()).length > 0) await new Promise(setImmediate);
  });

  it('waits for its whole time again after each stream', async () => {
    const first = await begin(0, 1_000_000);
    first.messages.fail();
    await assert.rejects(first.written);
    clock.advance(900);
    const second = await begin(1_000_000, 1_500_000);
    clock.advance(900);
    second.messages.fail();
    await assert.rejects(second.written);
    clock.advance(900);

    assert.equal(await finish(1_500_000), data.length);
  });

  for (const [what, options] of [
    ['of their number', { maxCount: 2 }],
    ['of their bytes', { maxBytes: 2_500_000 }],
  ] as const) {
    it(`gives way to others that broke off later, because ${what}`, async () => {
      use(options);
      for (const uuid of ['a', 'b', 'c']) {
        const { messages, written } = await begin(0, 1_000_000, writeResourceName('', uuid, digest));
        messages.fail();
        await assert.rejects(written);
      }

      const kept = await Promise.all(['a', 'b', 'c'].map((uuid) => status(writeResourceName('', uuid, digest))));

      assert.deepEqual(
        kept.map(({ committedSize }) => committedSize),
        [0, 1_000_000, 1_000_000],
      );
    });
  }

  it('is gone when the server stops (D3)', async () => {
    const { messages } = await begin(0, 1_000_000);
    messages.fail();
    const other = await begin(0, 5, writeResourceName('', 'other-uuid', digest));

    await partialUploads[Symbol.asyncDispose]();

    assert.deepEqual(await temporaryFiles(), []);
    await assert.rejects(other.written, aborted);
    assert.equal(clock.sleepers, 0);
  });

  describe('because it stalled', () => {
    it('is answered with ABORTED, and goes on', async () => {
      const { written } = await begin(0, 1_000_000);

      clock.advance(59_000);
      await until(() => clock.sleepers > 0);
      assert.equal(await Promise.race([written.catch(() => 'ended'), Promise.resolve('open')]), 'open');
      clock.advance(61_000);

      await assert.rejects(written, (reason) => {
        assert.ok(reason instanceof StatusError);
        assert.equal(reason.code, Code.Aborted);
        assert.match(reason.message, /No message of the upload has come for 60 s/);
        return true;
      });
      assert.equal(await finish(1_000_000), data.length);
    });

    it('before it had said what it brings leaves nothing', async () => {
      const written = service.write(new Messages(), context);
      written.catch(() => undefined);

      clock.advance(60_000);

      await assert.rejects(written, aborted);
    });

    it('is over if it was compressed, for nobody could say where it stands (BS-8)', async () => {
      const resourceName = writeResourceName('', 'some-uuid', digest, 'zstd');
      const compressed = await new ZstdCodec().compressBytes(data);
      const messages = new Messages();
      const written = service.write(messages, context);
      written.catch(() => undefined);
      messages.send({ resourceName, data: compressed.subarray(0, 100) });
      while ((await temporaryFiles()).length === 0) await new Promise(setImmediate);

      let isOver = false;
      written.catch(() => (isOver = true));
      // The first message may still be on its way through the decoder.
      await until(() => {
        clock.advance(60_000);
        return isOver;
      });

      await assert.rejects(written, aborted);
      assert.equal((await status(resourceName)).committedSize, 0);
      while ((await temporaryFiles()).length > 0) await new Promise(setImmediate);
    });

    it('is not said to stall as long as messages come', async () => {
      const { messages, written } = await begin(0, 1);
      for (let sent = 1; sent < 5; sent += 1) {
        clock.advance(40_000);
        messages.send(part(sent, sent + 1));
        await until(() => partialUploads.committedSize(name) === sent + 1);
      }
      messages.send(part(5, data.length));
      messages.end();

      assert.equal((await written).committedSize, data.length);
    });
  });

  it('leaves nothing where nothing is to be kept', async () => {
    service = new ByteStreamService(new InstanceRegistry(new Map([['', { blobs }]])), { clock });
    const messages = new Messages();
    messages.send({ resourceName: name, ...part(0, 1_000_000) });
    messages.fail();

    await assert.rejects(service.write(messages, context));

    assert.equal((await status()).committedSize, 0);
    assert.deepEqual(await temporaryFiles(), []);
  });
});
