import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import { bytestream } from '../../src/proto/index.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { PartialUploads } from '../../src/services/partial-uploads.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

/** A message has up to 16 MiB, and there may be thousands of uploads that stand still (U4). */
describe('The messages of an upload that stands still', () => {
  const mebibyte = 1024 * 1024;
  const resourceName = `uploads/u/blobs/${Digest.of(Buffer.from('any')).hash}/${100 * mebibyte}`;
  let collect: () => void;
  let calls: WeakRef<object>[];

  beforeEach(() => {
    calls = [];
  });

  before(() => {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  });

  /** Sends messages with so many bytes of data, then nothing, until it is told that the connection is lost. */
  function stream(sizes: readonly number[], sent: WeakRef<ArrayBufferLike>[], lost: Promise<never>) {
    const messageOf = (size: number, writeOffset: number): bytestream.WriteRequest => {
      const data = Buffer.from(new ArrayBuffer(size));
      sent.push(new WeakRef(data.buffer));
      return bytestream.WriteRequest.create({ resourceName, writeOffset, data });
    };
    let offset = 0;
    const left = sizes.values();
    const next = async (): Promise<IteratorResult<bytestream.WriteRequest>> => {
      const size = left.next();
      if (size.done === true) return lost;
      const message = messageOf(size.value, offset);
      offset += size.value;
      return Promise.resolve({ value: message });
    };
    calls.push(new WeakRef(next));
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  it('are not kept, and when the connection is lost its call is not kept either', async () => {
    await using folder = await temporaryDirectory();
    await using store = await DiskBlobStore.open({ path: folder.path, maxBytes: 1024 * mebibyte });
    await using partialUploads = new PartialUploads();
    const registry = new InstanceRegistry(new Map(), { blobs: new VerifyingBlobStore(store) });
    const service = new ByteStreamService(registry, { partialUploads });
    const sent: WeakRef<ArrayBufferLike>[] = [];
    let lose: (reason: Error) => void = () => undefined;
    const lost = new Promise<never>((_, reject) => (lose = reject));
    const held = (refs: readonly WeakRef<object>[]): number => {
      collect();
      return refs.filter((each) => each.deref() !== undefined).length;
    };

    const writing = service.write(stream([8 * mebibyte, 1, 8 * mebibyte], sent, lost), fakeCallContext());
    writing.catch(() => undefined);
    await until(() => sent.length === 3 && held(sent) === 0);

    lose(new Error('connection reset'));
    await assert.rejects(writing);
    await until(() => held(calls) === 0);
    const status = await service.queryWriteStatus(
      bytestream.QueryWriteStatusRequest.create({ resourceName }),
      fakeCallContext(),
    );
    assert.equal(status.committedSize, 16 * mebibyte + 1);
  });
});
