import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
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

describe('A stream that takes an upload over', () => {
  const data = patternedBytes(3_000_000);
  const digest = Digest.of(data);
  const name = writeResourceName('', 'some-uuid', digest);
  const invalid = hasCode(Code.InvalidArgument);
  const aborted = hasCode(Code.Aborted);
  const context = fakeCallContext();
  setMaxListeners(0, context.signal);
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
    partialUploads = new PartialUploads({ clock });
    service = new ByteStreamService(new InstanceRegistry(new Map([['', { blobs }]])), { partialUploads, clock });
  });

  afterEach(async () => {
    await partialUploads[Symbol.asyncDispose]();
    assert.equal(clock.sleepers, 0);
    assert.deepEqual(await readdir(join(folder.path, 'tmp')), []);
    await disk[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const status = async (): Promise<bytestream.QueryWriteStatusResponse.$Properties> =>
    service.queryWriteStatus(bytestream.QueryWriteStatusRequest.create({ resourceName: name }), context);

  const part = (start: number, end: number): WriteMessage => ({
    writeOffset: start,
    data: data.subarray(start, end),
    finishWrite: end === data.length,
  });

  /** Begins a stream with the bytes from `start` to `end`. */
  const open = (start: number, end: number, call = context) => {
    const messages = new Messages();
    const written = service.write(messages, call);
    written.catch(() => undefined);
    messages.send({ resourceName: name, ...part(start, end) });
    return { messages, written };
  };

  /** Sends the bytes from `start` to the end. */
  const finish = async (start: number): Promise<number | null | undefined> => {
    const middle = Math.floor((start + data.length) / 2);
    const { messages, written } = open(start, middle);
    messages.send(part(middle, data.length));
    messages.end();
    return (await written).committedSize;
  };

  /** Until what was sent counts. The service is not asked: whoever asks it is promised something. */
  const hasCome = async (messages: Messages): Promise<void> => {
    while (!messages.isTaken) await turn();
    await turn();
  };

  const isStored = async (): Promise<boolean> => (await blobs.findMissing([digest])).length === 0;

  describe('while the stream before it may still bring something', () => {
    const before = async () => {
      const { messages, written } = open(0, 1_000_000);
      await until(async () => (await status()).committedSize === 1_000_000);
      return { messages, written, more: (end: number) => messages.send(part(1_000_000, end)) };
    };

    const stored = async (): Promise<void> => assert.ok(data.equals(await readBlob(blobs, digest)));

    it('may begin where its client was told, though more has come meanwhile (CL-3, BS-8)', async () => {
      const { messages, written, more } = await before();
      const { committedSize } = await status();
      more(2_500_000);
      await hasCome(messages);

      assert.equal(await finish(committedSize!), data.length);

      await assert.rejects(written, aborted);
      await stored();
    });

    it('may begin where its client had stopped, once the bytes before that have come', async () => {
      const { written, more } = await before();
      const finished = finish(2_000_000);
      finished.catch(() => undefined);
      await turn();

      more(2_000_000);

      assert.equal(await finished, data.length);
      await assert.rejects(written, aborted);
      await stored();
    });

    it('is refused once it is clear that they do not come, and nothing is lost', async () => {
      const { messages, written } = await before();
      const finished = finish(2_000_000);
      finished.catch(() => undefined);
      await turn();

      messages.fail();

      await assert.rejects(written, /connection reset/);
      await assert.rejects(finished, invalid);
      assert.equal(await finish(1_000_000), data.length);
    });

    it('is refused when they pass its place by', async () => {
      const { messages, written, more } = await before();
      const finished = finish(2_000_000);
      finished.catch(() => undefined);
      await turn();

      more(2_000_001);

      await assert.rejects(finished, invalid);
      messages.send(part(2_000_001, data.length));
      messages.end();
      assert.equal((await written).committedSize, data.length);
    });

    it('is refused when they do not come in time, and does not disturb the other', async () => {
      const { messages, written } = await before();
      const finished = finish(2_000_000);
      finished.catch(() => undefined);
      await until(() => clock.slept.includes(10_000));

      clock.advance(10_000);

      await assert.rejects(finished, invalid);
      messages.send(part(1_000_000, data.length));
      messages.end();
      assert.equal((await written).committedSize, data.length);
      assert.equal(clock.sleepers, 0);
    });

    it('waits alone: of those who want to go on the last does', async () => {
      const { written, more } = await before();
      const firsts = Array.from({ length: 100 }, () => finish(2_000_000));
      for (const first of firsts) first.catch(() => undefined);
      const last = finish(2_000_000);
      for (const first of firsts) await assert.rejects(first, aborted);

      more(2_000_000);

      assert.equal(await last, data.length);
      await assert.rejects(written, aborted);
      assert.equal(clock.sleepers, 0);
    });

    it('ends with its own call', async () => {
      await before();
      const call = new AbortController();
      const { written } = open(2_000_000, 2_500_000, fakeCallContext({ signal: call.signal }));
      await until(() => clock.slept.includes(10_000));

      call.abort(new StatusError(Code.Cancelled, 'The client is gone'));

      await assert.rejects(written, hasCode(Code.Cancelled));
    });

    it('is over when the server stops', async () => {
      const { written } = await before();
      const finished = finish(2_000_000);
      finished.catch(() => undefined);
      await turn();

      await partialUploads[Symbol.asyncDispose]();

      await assert.rejects(written, aborted);
      await assert.rejects(finished, aborted);
      assert.equal(clock.sleepers, 0);
    });
  });

  describe('and repeats what had come meanwhile', () => {
    /** A stream that stands at 1,000,000 of 2,000,000 bytes that have come. */
    const repeating = async () => {
      const first = open(0, 500_000);
      await until(async () => (await status()).committedSize === 500_000);
      first.messages.send(part(500_000, 2_000_000));
      await hasCome(first.messages);
      const { messages, written } = open(500_000, 1_000_000);
      await assert.rejects(first.written, aborted);
      return { messages, written };
    };

    for (const [where, offset] of [
      ['where it had stopped', 1_000_000],
      ['where it was before', 2_000_000],
    ] as const) {
      it(`can break off and go on ${where}`, async () => {
        const { messages, written } = await repeating();
        messages.fail();
        await assert.rejects(written, /connection reset/);

        assert.equal(await finish(offset), data.length);
        assert.ok(data.equals(await readBlob(blobs, digest)));
      });
    }

    it('must not end before it has brought something new (BS-10)', async () => {
      const { messages, written } = await repeating();
      messages.send({ writeOffset: 1_000_000, finishWrite: true });
      messages.end();

      await assert.rejects(written, invalid);

      assert.equal(await isStored(), false);
    });
  });
});
