import assert from 'node:assert/strict';
import { ChunkPool, minChunkBytes } from '../../src/common/chunk-pool.js';

describe('ChunkPool', () => {
  const mebibyte = 1024 * 1024;

  it('lends memory that was given back once more, but only once', () => {
    const pool = new ChunkPool({ budgetBytes: 64 * mebibyte, maxIdleBytes: 8 * mebibyte });
    const loan = pool.open();
    const chunk = loan.take(mebibyte);

    loan.giveBack(chunk.subarray(0, 100));
    loan.giveBack(chunk);
    const [second, third] = [loan.take(mebibyte), loan.take(mebibyte)];

    assert.equal(second.buffer, chunk.buffer);
    assert.notEqual(third.buffer, chunk.buffer);
  });

  it('lends no more than is asked for, and about as much', () => {
    const loan = new ChunkPool({ budgetBytes: 64 * mebibyte, maxIdleBytes: 0 }).open();

    for (const size of [1, 100, minChunkBytes, minChunkBytes + 1, 300_000, mebibyte - 1, mebibyte]) {
      const chunk = loan.take(size);

      assert.equal(chunk.length, size);
      assert.ok(chunk.buffer.byteLength <= Math.max(minChunkBytes, 2 * size));
    }
    assert.equal(loan.take(100 * mebibyte).length, mebibyte);
  });

  it('ignores memory of others, and of other readers', () => {
    const pool = new ChunkPool({ budgetBytes: 64 * mebibyte, maxIdleBytes: 8 * mebibyte });
    const [loan, other] = [pool.open(), pool.open()];
    const chunk = other.take(mebibyte);

    loan.giveBack(Buffer.alloc(mebibyte));
    loan.giveBack(chunk);

    assert.notEqual(loan.take(mebibyte).buffer, chunk.buffer);
    assert.equal(pool.heldBytes, 2 * mebibyte);
  });

  it('stays within its budget by lending less at a time, and refuses nobody', () => {
    const budgetBytes = 64 * mebibyte;
    const pool = new ChunkPool({ budgetBytes, maxIdleBytes: 0 });
    const readers = Array.from({ length: 2_000 }, () => pool.open());

    const lengths = readers.map((loan) => loan.take(100 * mebibyte).length);

    assert.equal(lengths[0], mebibyte);
    assert.equal(lengths.at(-1), minChunkBytes);
    assert.ok(pool.heldBytes <= budgetBytes + readers.length * minChunkBytes);
    for (const loan of readers) loan.close();
    assert.equal(pool.heldBytes, 0);
    assert.equal(pool.open().take(mebibyte).length, mebibyte);
  });

  it('keeps no more than it should of what nobody holds', () => {
    const pool = new ChunkPool({ budgetBytes: 64 * mebibyte, maxIdleBytes: mebibyte });
    const loan = pool.open();
    const chunks = [loan.take(mebibyte), loan.take(mebibyte)];

    for (const chunk of chunks) loan.giveBack(chunk);
    const again = new Set([loan.take(mebibyte).buffer, loan.take(mebibyte).buffer]);

    assert.equal(chunks.filter(({ buffer }) => again.has(buffer)).length, 1);
  });
});
