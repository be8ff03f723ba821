import assert from 'node:assert/strict';
import { Parser } from '@oclif/core';
import { ageFlag } from '../../src/cli/age-flag.js';
import { watermarksOf } from '../../src/cli/cleanup-flags.js';
import { presentCleanup, presentRefill, presentRemoval } from '../../src/cli/present-cleanup.js';
import { hasCode } from '../helpers/has-code.js';
import { Code } from '../../src/common/code.js';

describe('ageFlag', () => {
  async function parse(text: string): Promise<number | undefined> {
    const { flags } = await Parser.parse([`--age=${text}`], { flags: { age: ageFlag() } });
    return flags.age;
  }

  for (const [text, ms] of [
    ['90', 90_000],
    ['0', 0],
    ['30M', 1_800_000],
    ['12h', 43_200_000],
    ['3D', 259_200_000],
    ['1.5W', 907_200_000],
  ] as const) {
    it(`reads ${text}`, async () => {
      assert.equal(await parse(text), ms);
    });
  }

  for (const text of ['', 'soon', '3Y', '-1', '1e3']) {
    it(`refuses ${JSON.stringify(text)}`, async () => {
      await assert.rejects(parse(text), hasCode(Code.InvalidArgument));
    });
  }
});

describe('watermarksOf', () => {
  it('ends at 80 % of where it begins, unless it is told', () => {
    assert.deepEqual(watermarksOf({ 'high-watermark': 1_000 }), { highBytes: 1_000, lowBytes: 800 });
    assert.deepEqual(watermarksOf({ 'high-watermark': 1_000, 'low-watermark': 1_000 }), {
      highBytes: 1_000,
      lowBytes: 1_000,
    });
  });
});

describe('presentCleanup', () => {
  const before = { blobs: 5, sizeBytes: 5_000_000 };
  const removed = { blobs: 1, sizeBytes: 1_000_000 };

  it('says in a line what was, what went and what is left', () => {
    const line = { storage: '!s3-storage cas', before, removed };

    assert.equal(
      presentCleanup(line, false),
      '!s3-storage cas: 5 blobs (4.8 MiB) before, 1 blob (977 KiB) removed, 3.8 MiB left',
    );
    assert.match(presentCleanup(line, true), /1 blob \(977 KiB\) would be removed, 3\.8 MiB left$/);
    assert.match(presentCleanup({ ...line, removed: { blobs: 0, sizeBytes: 0 } }, true), /, none to remove$/);
  });

  it('says how far it has come', () => {
    assert.equal(presentRemoval({ removed, wantedBytes: 2_000_000 }), '1 blob (977 KiB) of 1.9 MiB removed');
    assert.equal(presentRefill({ listed: 7, added: 2 }), '7 blobs listed, 2 of them added to the index');
  });
});
