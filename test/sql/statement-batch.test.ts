import assert from 'node:assert/strict';
import { StatementBatch } from '../../src/sql/statement-batch.js';

describe('StatementBatch', () => {
  const statements: (readonly number[])[] = [];

  beforeEach(() => statements.splice(0));

  const sum = (items: readonly number[]): number => items.reduce((total, item) => total + item, 0);

  async function note(items: readonly number[]): Promise<number> {
    statements.push(items);
    await new Promise((resolve) => setImmediate(resolve));
    if (items.includes(13)) throw new Error('unlucky');
    return sum(items);
  }

  it('makes one statement of what comes in one turn, and one of what comes while it runs', async () => {
    const batch = new StatementBatch(note);

    const first = [batch.run([1]), batch.run([2, 3])];
    await new Promise((resolve) => setImmediate(resolve));
    const second = [batch.run([4]), batch.run([5]), batch.run([])];

    assert.deepEqual(await Promise.all([...first, ...second]), [6, 6, 9, 9, 9]);
    assert.deepEqual(statements, [
      [1, 2, 3],
      [4, 5],
    ]);
  });

  it('bounds a statement, but for who alone brings more', async () => {
    const batch = new StatementBatch(note, 3);

    await Promise.all([batch.run([1, 2]), batch.run([3, 4]), batch.run([5, 6, 7, 8]), batch.run([9])]);

    assert.deepEqual(statements, [[1, 2], [3, 4], [5, 6, 7, 8], [9]]);
  });

  it('fails those who shared a statement, and goes on', async () => {
    const batch = new StatementBatch(note);

    await assert.rejects(Promise.all([batch.run([1]), batch.run([13])]), /unlucky/);

    assert.equal(await batch.run([2]), 2);
  });
});
