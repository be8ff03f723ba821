import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { FastCdc2020 } from '../../src/codec/fast-cdc-2020.js';
import { inChunks, patternedBytes } from '../blobstore/contract/blob-store.js';

const fixtures = join(import.meta.dirname, '../fixtures/fast-cdc-2020');
const kibibyte = 1024;

interface Vector {
  readonly seed: number;
  readonly chunks: readonly string[];
}

/** The sections of the published text, each a seed and lines of offset, length, SHA-256 and fingerprint. */
function vectors(): readonly Vector[] {
  const sections = readFileSync(join(fixtures, 'fastcdc2020.txt'), 'utf8')
    .split(/^# Seed: /m)
    .slice(1);
  return sections.map((section) => {
    const [seed, ...lines] = section.trim().split('\n');
    return { seed: Number(seed), chunks: lines.map((line) => line.split('\t').slice(0, 3).join(' ')) };
  });
}

async function lengthsOf(cutter: FastCdc2020, content: Buffer, step: number): Promise<number[]> {
  const lengths: number[] = [];
  const seen: Buffer[] = [];
  for await (const chunk of cutter.chunks(inChunks(content, step))) {
    lengths.push(chunk.length);
    seen.push(Buffer.from(chunk));
  }
  assert.ok(Buffer.concat(seen).equals(content));
  return lengths;
}

describe('FastCdc2020', () => {
  const image = readFileSync(join(fixtures, 'SekienAkashita.jpg'));

  for (const { seed, chunks } of vectors()) {
    it(`cuts the image of the specification where it says, with seed ${seed} (CAS-15)`, async () => {
      const cutter = new FastCdc2020({ minBytes: 4096, avgBytes: 16_384, maxBytes: 65_535, seed });

      const found: string[] = [];
      let offset = 0;
      for await (const chunk of cutter.chunks(inChunks(image, 10_000))) {
        found.push(`${offset} ${chunk.length} ${createHash('sha256').update(chunk).digest('hex')}`);
        offset += chunk.length;
      }

      assert.deepEqual(found, chunks);
      assert.equal(found.length, 6);
    });
  }

  it('finds the masks of the specification for every average that the protocol allows (CAS-15)', () => {
    for (let bits = 10; bits <= 20; bits += 1) assert.ok(new FastCdc2020({ avgBytes: 2 ** bits }));
    assert.throws(() => new FastCdc2020({ avgBytes: 2 ** 21 }), RangeError);
    assert.throws(() => new FastCdc2020({ avgBytes: 512 }), RangeError);
  });

  it('cuts at the same places however the content arrives, and keeps its limits', async () => {
    const cutter = new FastCdc2020({ avgBytes: kibibyte });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 30_000, size: 'max' }),
        fc.integer({ min: 100, max: 9_000 }),
        async (bytes, step) => {
          const content = Buffer.from(bytes);
          const lengths = await lengthsOf(cutter, content, step);

          assert.deepEqual(await lengthsOf(cutter, content, content.length + 1), lengths);
          for (const length of lengths) assert.ok(length <= 4 * kibibyte);
          for (const length of lengths.slice(0, -1)) assert.ok(length >= kibibyte / 4);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('makes chunks of about the average, most of which survive an insertion', async () => {
    const cutter = new FastCdc2020({ avgBytes: 4 * kibibyte });
    const content = patternedBytes(1024 * kibibyte);
    const changed = Buffer.concat([content.subarray(0, 1_000), Buffer.from('inserted'), content.subarray(1_000)]);
    const hashesOf = async (bytes: Buffer): Promise<Set<string>> => {
      const hashes = new Set<string>();
      for await (const chunk of cutter.chunks(inChunks(bytes, 65_536))) {
        hashes.add(createHash('sha256').update(chunk).digest('hex'));
      }
      return hashes;
    };

    const [before, after] = [await hashesOf(content), await hashesOf(changed)];

    assert.ok(before.size > 100 && before.size < 500, `${before.size} chunks`);
    assert.ok([...after].filter((hash) => !before.has(hash)).length <= 3);
  });

  it('makes nothing of nothing', async () => {
    assert.deepEqual(await lengthsOf(new FastCdc2020({ avgBytes: kibibyte }), Buffer.alloc(0), 1), []);
  });
});
