import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA1 } from '../../src/digest/digest-function.js';
import { readResourceName, writeResourceName } from '../../src/digest/resource-name.js';
import { bytestream } from '../../src/proto/index.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { chunks } from '../helpers/chunks.js';
import { hasCode } from '../helpers/has-code.js';

describe('ByteStreamService', () => {
  const hello = Digest.of(Buffer.from('hello'));
  const context = fakeCallContext();
  const uuid = '7c8b9f7e-1a2b-4c3d-8e9f-001122334455';
  const invalid = hasCode(Code.InvalidArgument);
  let blobs: BlobStore;
  let service: ByteStreamService;

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    const instance = { blobs };
    service = new ByteStreamService(
      new InstanceRegistry(
        new Map([
          ['', instance],
          ['a/b/c', instance],
        ]),
      ),
    );
  });

  describe('Read', () => {
    const framesOf = async (
      resourceName: string,
      more: Partial<bytestream.ReadRequest.$Properties> = {},
    ): Promise<Uint8Array[]> => {
      const request = bytestream.ReadRequest.create({ resourceName, ...more });
      const frames: Uint8Array[] = [];
      for await (const { data } of service.read(request, context)) frames.push(data ?? new Uint8Array());
      return frames;
    };
    const read = async (...parameters: Parameters<typeof framesOf>): Promise<string> =>
      Buffer.concat(await framesOf(...parameters)).toString();
    const name = readResourceName('', hello);

    beforeEach(() => blobs.write(hello, chunks('hello')));

    it('streams a blob by its name, of any instance and function (BS-2)', async () => {
      const sha1 = Digest.of(Buffer.from('hello'), SHA1);
      await blobs.write(sha1, chunks('hello'));

      assert.equal(await read(name), 'hello');
      assert.equal(await read(readResourceName('a/b/c', hello)), 'hello');
      assert.equal(await read(readResourceName('', sha1)), 'hello');
    });

    it('starts at the offset, stops at the limit, and takes 0 or too much for the end', async () => {
      assert.equal(await read(name, { readOffset: 2 }), 'llo');
      assert.equal(await read(name, { readOffset: 1, readLimit: 2 }), 'el');
      assert.equal(await read(name, { readOffset: 3, readLimit: 100 }), 'lo');
      assert.equal(await read(name, { readOffset: 5 }), '');
    });

    it('is OUT_OF_RANGE outside of the blob, also of one that is not stored', async () => {
      const absent = readResourceName('', Digest.of(Buffer.from('absent')));

      await assert.rejects(read(name, { readOffset: -1 }), hasCode(Code.OutOfRange));
      await assert.rejects(read(name, { readOffset: 6 }), hasCode(Code.OutOfRange));
      await assert.rejects(read(absent, { readOffset: 7 }), hasCode(Code.OutOfRange));
    });

    it('refuses a negative limit, and a blob that is not stored', async () => {
      await assert.rejects(read(name, { readLimit: -1 }), invalid);
      await assert.rejects(read(readResourceName('', Digest.of(Buffer.from('x')))), hasCode(Code.NotFound));
    });

    it('reads the empty blob as no data (DIG-6)', async () => {
      assert.deepEqual(await framesOf(readResourceName('', Digest.empty())), []);
    });

    it('sends at most 1 MiB in a message (BS-6)', async () => {
      const data = patternedBytes(2 * 1024 * 1024 + 3);
      const digest = Digest.of(data);
      await blobs.write(digest, chunks(data));

      const frames = await framesOf(readResourceName('', digest));

      assert.deepEqual(
        frames.map(({ length }) => length),
        [1024 * 1024, 1024 * 1024, 3],
      );
      assert.ok(Buffer.concat(frames).equals(data));
    });

    for (const [what, malformed] of [
      ['nothing', ''],
      ['no blobs segment', `${hello.hash}/5`],
      ['something behind the size', `${name}/more`],
      ['a compressor that is not offered', `compressed-blobs/brotli/${hello.hash}/5`],
      ['a compressor in upper case', `compressed-blobs/ZSTD/${hello.hash}/5`],
      ['identity for a compressor', `compressed-blobs/identity/${hello.hash}/5`],
      ['a size that is no number', `blobs/${hello.hash}/five`],
      ['a size beyond 2^53', `blobs/${hello.hash}/9223372036854775807`],
      ['a function that needs no segment', `blobs/sha256/${hello.hash}/5`],
      ['an instance that is not there', readResourceName('elsewhere', hello)],
    ]) {
      it(`refuses a name with ${what} (BS-1 to BS-3)`, async () => {
        await assert.rejects(read(malformed!), invalid);
      });
    }
  });

  describe('Write', () => {
    const name = writeResourceName('', uuid, hello);
    type Message = bytestream.WriteRequest.$Properties;
    const write = async (...messages: Message[]): Promise<number | null | undefined> => {
      const requests = (async function* () {
        for (const message of messages) yield bytestream.WriteRequest.create(message);
      })();
      return (await service.write(requests, context)).committedSize;
    };
    const text = (data: string): { data: Buffer } => ({ data: Buffer.from(data) });
    const isAbsent = async (): Promise<void> => assert.deepEqual(await blobs.findMissing([hello]), [hello]);

    it('stores a blob sent in one message or in many, and commits its size (BS-12)', async () => {
      assert.equal(await write({ resourceName: name, ...text('hello'), finishWrite: true }), 5);
      assert.equal(String(await readBlob(blobs, hello)), 'hello');
      await blobs.delete([hello]);

      const committed = await write(
        { resourceName: name, ...text('he') },
        { writeOffset: 2, ...text('ll') },
        { writeOffset: 4, resourceName: name, ...text('o') },
        { writeOffset: 5, finishWrite: true },
      );

      assert.equal(committed, 5);
      assert.equal(String(await readBlob(blobs, hello)), 'hello');
    });

    it('takes any uuid, and ignores what stands behind the size (BS-3)', async () => {
      const resourceName = `a/b/c/uploads/any-segment/blobs/${hello.hash}/5/and/more`;

      assert.equal(await write({ resourceName, ...text('hello'), finishWrite: true }), 5);
    });

    it('acknowledges a blob that is there already without reading the rest (BS-11)', async () => {
      await blobs.write(hello, chunks('hello'));
      const requests = (async function* () {
        yield bytestream.WriteRequest.create({ resourceName: name, ...text('he') });
        throw new Error('must not be read');
      })();

      const { committedSize } = await service.write(requests, context);

      assert.equal(committedSize, 5);
    });

    it('acknowledges the empty blob (DIG-6)', async () => {
      const resourceName = writeResourceName('', uuid, Digest.empty());

      assert.equal(await write({ resourceName, finishWrite: true }), 0);
    });

    for (const [what, messages] of [
      ['no message at all', []],
      ['a first message without a name', [{ ...text('hello'), finishWrite: true }]],
      ['a read name', [{ resourceName: readResourceName('', hello), ...text('hello'), finishWrite: true }]],
      [
        'a compressor that is not offered',
        [{ resourceName: `uploads/u/compressed-blobs/deflate/${hello.hash}/5`, finishWrite: true }],
      ],
      ['a first offset other than 0', [{ resourceName: name, writeOffset: 2, ...text('llo'), finishWrite: true }]],
      [
        'an offset with a gap',
        [
          { resourceName: name, ...text('he') },
          { writeOffset: 3, ...text('llo'), finishWrite: true },
        ],
      ],
      [
        'another name later on',
        [
          { resourceName: name, ...text('he') },
          { resourceName: `${name}x`, writeOffset: 2, ...text('llo'), finishWrite: true },
        ],
      ],
      ['no finish_write', [{ resourceName: name, ...text('hello') }]],
      [
        'a message behind finish_write',
        [
          { resourceName: name, ...text('hello'), finishWrite: true },
          { writeOffset: 5, finishWrite: true },
        ],
      ],
      ['too few bytes', [{ resourceName: name, ...text('hell'), finishWrite: true }]],
      ['too many bytes', [{ resourceName: name, ...text('hello!'), finishWrite: true }]],
      ['bytes of another hash', [{ resourceName: name, ...text('hallo'), finishWrite: true }]],
    ] as const satisfies readonly (readonly [string, readonly Message[]])[]) {
      it(`refuses an upload with ${what}, and commits nothing (BS-7 to BS-10)`, async () => {
        await assert.rejects(write(...messages), invalid);

        await isAbsent();
      });
    }

    it('refuses excess bytes as soon as they are seen (BS-10)', async () => {
      const requests = (async function* () {
        yield bytestream.WriteRequest.create({ resourceName: name, ...text('hello!') });
        yield await new Promise<never>(() => undefined);
      })();

      await assert.rejects(service.write(requests, context), invalid);
    });

    it('commits nothing when the stream breaks (BS-14, D3)', async () => {
      const requests = (async function* () {
        yield bytestream.WriteRequest.create({ resourceName: name, ...text('hello') });
        throw new Error('connection reset');
      })();

      await assert.rejects(service.write(requests, context), /connection reset/);

      await isAbsent();
    });
  });

  describe('QueryWriteStatus', () => {
    const query = async (resourceName: string): Promise<bytestream.QueryWriteStatusResponse.$Properties> =>
      service.queryWriteStatus(bytestream.QueryWriteStatusRequest.create({ resourceName }), context);

    it('knows a stored blob as complete, and of others no byte (BS-15)', async () => {
      const name = writeResourceName('', uuid, hello);
      assert.deepEqual(await query(name), { committedSize: 0, complete: false });

      await blobs.write(hello, chunks('hello'));

      assert.deepEqual(await query(name), { committedSize: 5, complete: true });
    });

    it('refuses a malformed name', async () => {
      await assert.rejects(query('blobs/abc/5'), invalid);
    });
  });
});
