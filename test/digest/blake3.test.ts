import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Blake3Hasher, loadBlake3 } from '../../src/digest/blake3.js';
import { BLAKE3 } from '../../src/digest/digest-function.js';

describe('BLAKE3', () => {
  before(loadBlake3);

  const inputOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index % 251);

  // Of the test vectors that its authors publish, by the length of the input.
  for (const [length, hash] of [
    [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
    [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
    [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  ] as const) {
    it(`hashes ${length} bytes as its specification does`, () => {
      assert.equal(BLAKE3.hash(inputOf(length)), hash);
    });
  }

  it('hashes several streams at a time, whatever the order of their pieces', () => {
    const streams = fc.array(fc.uint8Array({ maxLength: 3_000 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(streams, fc.infiniteStream(fc.nat(3)), fc.integer({ min: 1, max: 700 }), (inputs, turns, step) => {
        const open = inputs.map((input) => ({ input, hasher: new Blake3Hasher(), offset: 0 }));
        const isOpen = (): boolean => open.some(({ input, offset }) => offset < input.length);
        while (isOpen()) {
          const stream = open[(turns.next().value as number) % open.length]!;
          stream.hasher.update(stream.input.subarray(stream.offset, stream.offset + step));
          stream.offset += step;
          // A hash in between, and a hasher that nobody finishes.
          BLAKE3.hash(stream.input);
          new Blake3Hasher().update(stream.input);
        }

        for (const { input, hasher } of open) assert.equal(hasher.digest(), BLAKE3.hash(input));
      }),
    );
  });
});
