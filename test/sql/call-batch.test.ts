import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { CallBatch } from '../../src/sql/call-batch.js';
import { hasCode } from '../helpers/has-code.js';

interface Call {
  readonly n: number;
}

describe('CallBatch', () => {
  it('does together what is called together, and tells each what became of its own', async () => {
    const sizes: number[] = [];
    const batch = new CallBatch<Call, number>(async (calls) => {
      sizes.push(calls.length);
      return new Map(calls.map((call) => [call, call.n * 2]));
    });

    const outcomes = await Promise.all([1, 2, 3].map((n) => batch.run({ n })));

    assert.deepEqual(outcomes, [2, 4, 6]);
    assert.deepEqual(sizes, [3]);
  });

  it('throws an error to the one whose outcome it is', async () => {
    const refused = new StatusError(Code.ResourceExhausted, 'full');
    const batch = new CallBatch<Call, number>(
      async (calls) => new Map(calls.map((call) => [call, call.n === 2 ? refused : call.n])),
    );

    const [first, second] = await Promise.allSettled([batch.run({ n: 1 }), batch.run({ n: 2 })]);

    assert.deepEqual(first, { status: 'fulfilled', value: 1 });
    assert.deepEqual(second, { status: 'rejected', reason: refused });
  });

  it('tries each by itself when one of them makes all fail', async () => {
    const batch = new CallBatch<Call, number>(async (calls) => {
      if (calls.some(({ n }) => n === 2)) throw new Error('no such number');
      return new Map(calls.map((call) => [call, call.n]));
    });

    const outcomes = await Promise.allSettled([1, 2, 3].map((n) => batch.run({ n })));

    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });

  it('fails for all at once in an outage, which asking again would only lengthen', async () => {
    let attempts = 0;
    const batch = new CallBatch<Call, number>(() => {
      attempts += 1;
      return Promise.reject(new StatusError(Code.Unavailable, 'away'));
    });

    const calls = [1, 2, 3].map((n) => batch.run({ n }));

    await Promise.all(calls.map((call) => assert.rejects(call, hasCode(Code.Unavailable))));
    assert.equal(attempts, 1);
  });
});
