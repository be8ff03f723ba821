import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { ZstdCodec } from '../../../src/codec/zstd/zstd-codec.js';
import { ZstdError } from '../../../src/codec/zstd/zstd-error.js';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { inChunks, patternedBytes } from '../../blobstore/contract/blob-store.js';
import { blockOf, compressibleBytes, concat, frameOf, raw, rle, skippable } from './frames.js';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

describe('ZstdCodec', () => {
  const codec = new ZstdCodec();

  const decode = (bytes: Uint8Array, maxBytes: number, step = bytes.length): Promise<Buffer> =>
    collectBytes(codec.decompress(inChunks(Buffer.from(bytes), Math.max(1, step)), maxBytes));
  /** Decodes as a stream and in one go, which must agree. */
  const decodeBoth = async (bytes: Uint8Array, maxBytes: number): Promise<Buffer> => {
    const streamed = await decode(bytes, maxBytes, 7);
    assert.ok(streamed.equals(await codec.decompressBytes(bytes, maxBytes)));
    return streamed;
  };
  const rejectsBoth = async (bytes: Uint8Array, maxBytes: number, why: RegExp): Promise<void> => {
    for (const decoding of [
      decode(bytes, maxBytes),
      decode(bytes, maxBytes, 1),
      codec.decompressBytes(bytes, maxBytes),
    ]) {
      await assert.rejects(decoding, (reason) => reason instanceof ZstdError && why.test(reason.message));
    }
  };

  it('gives back what it has compressed, whatever the pieces', async () => {
    const contents = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(300 * kibibyte).map((length) => new Uint8Array(length)),
      ),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(contents, fc.integer({ min: 1_000, max: 100_000 }), async (pieces, step) => {
        const data = Buffer.concat(pieces);
        const packed = await collectBytes(codec.compress(inChunks(data, step)));

        assert.ok((await decode(packed, data.length, step)).equals(data));
        assert.ok(Buffer.from(await codec.decompressBytes(packed, data.length)).equals(data));
        assert.ok((await decode(await codec.compressBytes(data), data.length)).equals(data));
      }),
      { numRuns: 30 },
    );
  });

  for (const [what, data] of [
    ['that compress well', compressibleBytes(5 * mebibyte)],
    ['that do not compress', randomBytes(3 * mebibyte + 1)],
  ] as const) {
    it(`streams megabytes ${what}, as one frame`, async () => {
      const packed = await collectBytes(codec.compress(inChunks(data, 100_000)));

      assert.ok((await decode(packed, data.length, 60_000)).equals(data));
      assert.ok(packed.length < data.length + 10_000);
    });
  }

  it('makes a valid frame of no bytes (DIG-6)', async () => {
    const packed = await collectBytes(codec.compress(inChunks(Buffer.alloc(0), 1)));

    assert.ok(packed.length >= 8);
    assert.equal((await decodeBoth(packed, 0)).length, 0);
  });

  it('takes no bytes at all for nothing', async () => {
    assert.equal((await decodeBoth(Buffer.alloc(0), 0)).length, 0);
  });

  it('decodes frames that follow each other, with windows of any order, and passes over skippable ones (BS-10)', async () => {
    const parts = [patternedBytes(10), patternedBytes(2 * mebibyte), randomBytes(1_000), patternedBytes(700_000)];
    const frames = await Promise.all(parts.map((part) => collectBytes(codec.compress(inChunks(part, 65_536)))));
    const whole = Buffer.concat(parts);
    const packed = concat(skippable(5), ...frames.flatMap((frame) => [frame, skippable(0)]));

    assert.ok((await decode(packed, whole.length, 1_000)).equals(whole));
    assert.ok(Buffer.from(await codec.decompressBytes(packed, whole.length)).equals(whole));
  });

  it('decodes what states its size and what does not', async () => {
    const hello = Buffer.from('hello');

    for (const header of [{ windowLog: 10 }, { contentBytes: 5 }, { windowLog: 23, contentBytes: 5 }]) {
      assert.equal(String(await decodeBoth(frameOf(header, raw(hello, true)), 5)), 'hello');
    }
    assert.equal(
      String(await decodeBoth(frameOf({ windowLog: 17 }, rle(120, 3, false), raw(hello, true)), 8)),
      'xxxhello',
    );
  });

  for (const [what, bytes, why] of [
    ['no zstd', Buffer.from('hello, world'), /something else/],
    [
      'garbage behind a frame',
      concat(frameOf({ contentBytes: 1 }, rle(1, 1, true)), Buffer.from('more')),
      /something else/,
    ],
    ['a window over 8 MiB', frameOf({ windowLog: 24 }, raw(Buffer.from('x'), true)), /window of 16777216 bytes/],
    ['a window just over 8 MiB', frameOf({ windowLog: 23, windowEighths: 1 }, rle(1, 1, true)), /window of 9437184/],
    ['a single segment over 8 MiB', frameOf({ contentBytes: 8 * mebibyte + 1 }, rle(1, 1, true)), /announce|window/],
    ['more announced bytes than wanted', frameOf({ contentBytes: 101 }, rle(1, 101, true)), /announce 101 bytes/],
    ['more bytes than wanted', frameOf({ windowLog: 17 }, rle(1, 101, true)), /more than the 100 bytes/],
    ['another size than it announces', frameOf({ contentBytes: 5 }, rle(1, 4, true)), /./],
    ['a block over 128 KiB', frameOf({ windowLog: 20 }, rle(1, 128 * kibibyte + 1, true)), /a block has 131073 bytes/],
    [
      'a block of the reserved type',
      frameOf({ windowLog: 20 }, blockOf(3, 1, Buffer.from('x'), true)),
      /reserved type/,
    ],
    ['a damaged block', frameOf({ windowLog: 20 }, blockOf(2, 5, Buffer.from('hello'), true)), /./],
    ['a wrong checksum', concat(frameOf({ windowLog: 20, hasChecksum: true }, rle(1, 1, true)), Buffer.alloc(4)), /./],
    ['a dictionary', frameOf({ windowLog: 20, dictionaryId: 7 }, rle(1, 1, true)), /dictionary/],
    ['a reserved bit', frameOf({ windowLog: 20, reserved: true }, rle(1, 1, true)), /reserved bit/],
  ] as const) {
    it(`refuses ${what} (BS-10)`, () => rejectsBoth(bytes, 100, why));
  }

  it('refuses input that is cut off anywhere (BS-10)', async () => {
    const data = Buffer.concat([patternedBytes(300), randomBytes(300)]);
    const packed = concat(frameOf({ windowLog: 12 }, raw(data, true)), await codec.compressBytes(data), skippable(3));
    const boundaries = new Set([0, packed.length - 11, packed.length - 11 - (await codec.compressBytes(data)).length]);
    for (let length = 0; length < packed.length; length += 1) {
      if (boundaries.has(length)) continue;
      await assert.rejects(decode(packed.subarray(0, length), 1_200), /in the middle of a frame/, `at ${length}`);
      await assert.rejects(codec.decompressBytes(packed.subarray(0, length), 1_200), /in the middle of a frame/);
    }
  });

  it('decodes or refuses with ZstdError whatever comes, and never makes more than is wanted (U4)', async () => {
    const good = await codec.compressBytes(patternedBytes(2_000));
    const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([place, value]) => {
      const bytes = Buffer.from(good);
      bytes[place] = value;
      return bytes;
    });
    const withMagic = fc
      .uint8Array({ maxLength: 60 })
      .map((tail) => concat(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), tail));
    await fc.assert(
      fc.asyncProperty(fc.oneof(damaged, withMagic, fc.uint8Array()), fc.nat(3_000), async (bytes, maxBytes) => {
        for (const decoding of [decode(bytes, maxBytes, 5), codec.decompressBytes(bytes, maxBytes)]) {
          try {
            assert.ok((await decoding).length <= maxBytes);
          } catch (reason) {
            assert.ok(reason instanceof ZstdError, String(reason));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('stops at once when the source of what it compresses fails', async () => {
    const failing = (async function* () {
      yield patternedBytes(mebibyte);
      throw new Error('disk gone');
    })();

    await assert.rejects(collectBytes(codec.compress(failing)), /disk gone/);
  });
});

describe('ZstdCodec under load (U4)', () => {
  it('sends streams beyond its limit as they are, and compresses again when others have ended', async () => {
    const codec = new ZstdCodec({ maxEncoders: 1 });
    const data = compressibleBytes(2 * mebibyte);
    const first = codec.compress(inChunks(data, 600 * kibibyte));
    await first.next();

    const beside = await collectBytes(codec.compress(inChunks(data, 600 * kibibyte)));
    await first.return();
    const after = await collectBytes(codec.compress(inChunks(data, 600 * kibibyte)));

    assert.ok(beside.length > data.length && after.length < data.length / 2);
    assert.ok((await collectBytes(codec.decompress(inChunks(beside, 10_000), data.length))).equals(data));
  });

  it('lets decoders wait for memory that others give back, however they end', async () => {
    const codec = new ZstdCodec({ maxDecoderBytes: mebibyte });
    const data = patternedBytes(600 * kibibyte);
    const packed = await collectBytes(codec.compress(inChunks(data, 65_536)));
    let pulled = 0;
    const source = async function* (): AsyncIterable<Uint8Array> {
      yield packed.subarray(0, packed.length - 3);
      pulled += 1;
      yield packed.subarray(packed.length - 3);
    };
    const holder = codec.decompress(source(), data.length);
    await holder.next();

    const aborted = new AbortController();
    const givesUp = codec.decompress(inChunks(packed, 1_000), data.length, aborted.signal).next();
    const waits = collectBytes(codec.decompress(inChunks(packed, 1_000), data.length));
    aborted.abort();
    await assert.rejects(givesUp);
    assert.equal(pulled, 0);
    await holder.return();

    assert.ok((await waits).equals(data));
  });
});
