import assert from 'node:assert/strict';
import { BlobTable } from '../../../src/blobstore/disk/blob-table.js';
import { SHA256 } from '../../../src/digest/digest-function.js';
import { Dice } from '../../helpers/chance.js';

describe('BlobTable', () => {
  const count = 20_000;

  /** How long so many blobs take, in and out, whose hashes have these bits and no others in their first two words. */
  function costOf(firstBits: number, secondBits: number): number {
    const dice = new Dice('BlobTable');
    const word = (): number => dice.int(-(2 ** 31), 2 ** 31 - 1);
    const hashes = Array.from({ length: count }, () => {
      const [first, second, ...others] = Int32Array.from({ length: 8 }, word);
      return Int32Array.from([first! & firstBits, second! & secondBits, ...others]);
    });
    const start = process.cpuUsage();
    const table = new BlobTable(SHA256);
    const slots = hashes.map((hash) => table.insert(hash, 1));
    assert.deepEqual(
      hashes.map((hash) => table.find(hash, 1)),
      slots,
    );
    for (const slot of slots.filter((each) => each % 2 === 0)) table.remove(slot);
    for (const [index, hash] of hashes.entries()) {
      const slot = slots[index]!;
      assert.equal(table.find(hash, 1), slot % 2 === 0 ? -1 : slot);
    }
    assert.equal(table.count, count / 2);
    return process.cpuUsage(start).user;
  }

  it('is not slowed down by hashes that somebody made to agree in their first bits', () => {
    costOf(-1, -1);
    const ordinary = costOf(-1, -1);

    assert.ok(costOf(0x00ffffff, 0xfffe0000 | 0) < 10 * ordinary);
    assert.ok(costOf(0x00ffffff, 0x0000ffff) < 10 * ordinary);
  });
});
