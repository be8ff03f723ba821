import assert from 'node:assert/strict';
import { parseSize } from '../../src/common/size.js';

describe('parseSize', () => {
  for (const [text, sizeBytes] of [
    ['2048M', 2 ** 31],
    ['512MB', 2 ** 29],
    ['10kb', 10_240],
    ['2097152', 2_097_152],
    [4096, 4096],
    ['1 T', 2 ** 40],
  ] as const) {
    it(`reads ${JSON.stringify(text)} as ${sizeBytes} bytes`, () => assert.equal(parseSize(text), sizeBytes));
  }

  for (const text of ['', 'M', '1.5G', '-1', '10X', '99999999T']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseSize(text), /is not a size/));
  }
});
