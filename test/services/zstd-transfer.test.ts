import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { ZstdCodec } from '../../src/codec/zstd/zstd-codec.js';
import { bytesOnce, collectBytes } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { readResourceName, writeResourceName } from '../../src/digest/resource-name.js';
import { bytestream, reapi } from '../../src/proto/index.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { compressibleBytes, concat, frameOf, rle } from '../codec/zstd/frames.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

const mebibyte = 1024 * 1024;
const { ZSTD, IDENTITY, BROTLI } = reapi.Compressor.Value;
const invalid = hasCode(Code.InvalidArgument);

describe('Blobs that travel as zstd', () => {
  const codec = new ZstdCodec();
  const context = fakeCallContext();
  const data = compressibleBytes(3 * mebibyte);
  const digest = Digest.of(data);
  let packed: Uint8Array;
  let blobs: BlobStore;
  let registry: InstanceRegistry;

  before(async () => {
    await loadDigestFunctions();
    packed = await codec.compressBytes(data);
  });

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    registry = new InstanceRegistry(new Map([['', { blobs }]]));
  });

  const unpack = (bytes: Uint8Array): Promise<Buffer> => collectBytes(codec.decompress(bytesOnce(bytes), 4 * mebibyte));

  describe('by ByteStream.Read', () => {
    const read = async (name: string, more: Partial<bytestream.ReadRequest.$Properties> = {}): Promise<Buffer> => {
      const request = bytestream.ReadRequest.create({ resourceName: name, ...more });
      const frames: Uint8Array[] = [];
      for await (const response of new ByteStreamService(registry).read(request, context)) {
        frames.push(response.data ?? new Uint8Array());
        assert.ok((response.data?.length ?? 0) <= mebibyte);
      }
      return Buffer.concat(frames);
    };
    const name = readResourceName('', digest, 'zstd');

    it('decode from the offset, which counts uncompressed bytes, to the end (BS-5)', async () => {
      await blobs.write(digest, bytesOnce(data));

      for (const readOffset of [0, 1, 2 * mebibyte, data.length - 1, data.length]) {
        const received = await read(name, { readOffset });
        assert.ok((await unpack(received)).equals(data.subarray(readOffset)));
        assert.ok(received.length < data.length / 2);
      }
    });

    it('are readable plain and compressed however they were uploaded, in any function (BS-5, DIG-5)', async () => {
      const random = randomBytes(mebibyte + 1);
      const blake3 = Digest.of(random, BLAKE3);
      await blobs.write(blake3, bytesOnce(random));

      assert.ok((await read(readResourceName('', blake3))).equals(random));
      assert.ok((await unpack(await read(readResourceName('', blake3, 'zstd')))).equals(random));
    });

    it('are a valid empty frame when they are empty (DIG-6)', async () => {
      const received = await read(readResourceName('', Digest.empty(), 'zstd'));

      assert.ok(received.length > 0);
      assert.equal((await unpack(received)).length, 0);
    });

    it('have no limit, and offsets only within the blob', async () => {
      await blobs.write(digest, bytesOnce(data));

      await assert.rejects(read(name, { readLimit: 1 }), invalid);
      await assert.rejects(read(name, { readLimit: -1 }), invalid);
      await assert.rejects(read(name, { readOffset: -1 }), hasCode(Code.OutOfRange));
      await assert.rejects(read(name, { readOffset: data.length + 1 }), hasCode(Code.OutOfRange));
    });

    it('are NOT_FOUND where they are not stored', async () => {
      await assert.rejects(read(name), hasCode(Code.NotFound));
      await assert.rejects(read(name, { readOffset: data.length }), hasCode(Code.NotFound));
    });
  });

  describe('by ByteStream.Write', () => {
    type Message = bytestream.WriteRequest.$Properties;
    const resourceName = writeResourceName('', 'uuid', digest, 'zstd');
    const write = async (...messages: readonly Message[]): Promise<number | null | undefined> => {
      const requests = (async function* () {
        for (const message of messages) yield bytestream.WriteRequest.create(message);
      })();
      return (await new ByteStreamService(registry).write(requests, context)).committedSize;
    };
    const inMessages = (bytes: Uint8Array, step: number, name = resourceName): Message[] => {
      const messages: Message[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        const finishWrite = at + step >= bytes.length;
        messages.push({ resourceName: name, writeOffset: at, data: bytes.subarray(at, at + step), finishWrite });
      }
      return messages;
    };

    it('are stored uncompressed, with offsets and committed_size in compressed bytes (BS-8, BS-12)', async () => {
      assert.equal(await write(...inMessages(packed, 10_000)), packed.length);

      assert.ok((await readBlob(blobs, digest)).equals(data));
    });

    it('may be several frames (BS-10)', async () => {
      const frames = concat(
        await codec.compressBytes(data.subarray(0, 100)),
        await codec.compressBytes(data.subarray(100)),
      );

      assert.equal(await write(...inMessages(frames, 64_000)), frames.length);
      assert.ok((await readBlob(blobs, digest)).equals(data));
    });

    it('are acknowledged with -1 when they are there already, without reading the rest (BS-11)', async () => {
      await blobs.write(digest, bytesOnce(data));
      const requests = (async function* () {
        yield bytestream.WriteRequest.create({ resourceName, data: packed.subarray(0, 10) });
        throw new Error('must not be read');
      })();

      assert.equal((await new ByteStreamService(registry).write(requests, context)).committedSize, -1);
    });

    it('are acknowledged with -1 when another upload ends first (BS-11)', async () => {
      blobs.write = () => Promise.resolve();

      assert.equal(await write(...inMessages(packed, 10_000)), -1);
    });

    it('are known to QueryWriteStatus by their uncompressed size (BS-15)', async () => {
      const service = new ByteStreamService(registry);
      const request = bytestream.QueryWriteStatusRequest.create({ resourceName });
      assert.deepEqual(await service.queryWriteStatus(request, context), { committedSize: 0, complete: false });

      await blobs.write(digest, bytesOnce(data));

      const complete = { committedSize: data.length, complete: true };
      assert.deepEqual(await service.queryWriteStatus(request, context), complete);
    });

    const refused = (what: string, messages: () => readonly Message[] | Promise<readonly Message[]>): void => {
      it(`are refused with ${what}, and nothing is stored (BS-8 to BS-10)`, async () => {
        await assert.rejects(async () => write(...(await messages())), invalid);

        assert.deepEqual(await blobs.findMissing([digest]), [digest]);
      });
    };
    refused('a first offset other than 0', () => [{ resourceName, writeOffset: 7, data: packed, finishWrite: true }]);
    refused('an offset that counts uncompressed bytes', () => [
      { resourceName, data: packed.subarray(0, 5_000) },
      { writeOffset: mebibyte, data: packed.subarray(5_000), finishWrite: true },
    ]);
    refused('no finish_write', () => [{ resourceName, data: packed }]);
    refused('a frame that is cut off', () => inMessages(packed.subarray(0, -1), 10_000));
    refused('garbage behind the frame', () => inMessages(concat(packed, Buffer.from('garbage')), 10_000));
    refused('no zstd at all', () => inMessages(data.subarray(0, 1_000), 1_000));
    refused('too few bytes', async () => inMessages(await codec.compressBytes(data.subarray(1)), 10_000));
    refused('bytes of another hash', async () => {
      const other = Buffer.from(data);
      other[5] = 1;
      return inMessages(await codec.compressBytes(other), 10_000);
    });
    refused('a window over 8 MiB', () => inMessages(frameOf({ windowLog: 25 }, rle(0, 1, true)), 100));

    it('are refused as soon as they are too many bytes (BS-10)', async () => {
      const requests = (async function* () {
        const bomb = concat(...Array.from({ length: 30 }, () => rle(0, 131_072, false)));
        yield bytestream.WriteRequest.create({ resourceName, data: frameOf({ windowLog: 20 }, bomb) });
        yield await new Promise<never>(() => undefined);
      })();

      await assert.rejects(new ByteStreamService(registry).write(requests, context), invalid);
    });
  });

  describe('in batches', () => {
    const service = (): ContentAddressableStorageService => new ContentAddressableStorageService(registry);

    it('are verified over their uncompressed bytes, each entry for itself (CAS-5, CAS-7)', async () => {
      const small = compressibleBytes(10_000);
      const smallDigest = Digest.of(small).toProto();
      const smallPacked = await codec.compressBytes(small);
      const empty = await codec.compressBytes(new Uint8Array());
      const requests = [
        { digest: smallDigest, data: smallPacked, compressor: ZSTD },
        { digest: Digest.of(small.subarray(1)).toProto(), data: smallPacked, compressor: ZSTD },
        { digest: Digest.of(smallPacked).toProto(), data: smallPacked, compressor: ZSTD },
        { digest: smallDigest, data: smallPacked.subarray(1), compressor: ZSTD },
        { digest: smallDigest, data: smallPacked.subarray(0, -1), compressor: ZSTD },
        { digest: Digest.empty().toProto(), data: empty, compressor: ZSTD },
        { digest: smallDigest, data: small, compressor: IDENTITY },
        { digest: smallDigest, data: small, compressor: BROTLI },
      ];

      const { responses } = await service().batchUpdateBlobs(
        reapi.BatchUpdateBlobsRequest.create({ requests }),
        context,
      );

      const { Ok: ok, InvalidArgument: bad } = Code;
      assert.deepEqual(
        responses?.map(({ status }) => status?.code),
        [ok, bad, bad, bad, bad, ok, ok, bad],
      );
      assert.ok((await readBlob(blobs, Digest.of(small))).equals(small));
    });

    it('count what they claim to be (CAS-6)', async () => {
      const sizeBytes = 5 * mebibyte;
      const request = { digest: { hash: digest.hash, sizeBytes }, data: packed, compressor: ZSTD };

      await assert.rejects(
        service().batchUpdateBlobs(reapi.BatchUpdateBlobsRequest.create({ requests: [request] }), context),
        invalid,
      );
    });

    it('are answered compressed where the client takes it and it gains something (CAS-8)', async () => {
      const contents = [compressibleBytes(10_000), randomBytes(10_000), Buffer.from('small')];
      for (const content of contents) await blobs.write(Digest.of(content), bytesOnce(content));
      const digests = contents.map((content) => Digest.of(content).toProto());
      const read = async (acceptableCompressors: reapi.Compressor.Value[]) => {
        const request = reapi.BatchReadBlobsRequest.create({ digests, acceptableCompressors });
        return (await service().batchReadBlobs(request, context)).responses ?? [];
      };

      const [compressed, ...others] = await read([BROTLI, ZSTD]);
      const plain = await read([BROTLI]);

      assert.equal(compressed?.compressor, ZSTD);
      assert.ok((await unpack(compressed.data ?? new Uint8Array())).equals(contents[0] ?? Buffer.alloc(0)));
      for (const { compressor } of [...others, ...plain]) assert.ok((compressor ?? IDENTITY) === IDENTITY);
      assert.deepEqual(
        [...others, ...plain].map(({ data: bytes }) => Buffer.from(bytes ?? [])),
        [...contents.slice(1), ...contents],
      );
    });
  });
});
