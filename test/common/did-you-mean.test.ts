import assert from 'node:assert/strict';
import { didYouMean } from '../../src/common/did-you-mean.js';

describe('didYouMean', () => {
  const known = ['server', 'instances', 'cas'];

  it('finds the word that a slip of the finger made another', () => {
    assert.deepEqual(
      ['servr', 'csa', 'instance'].map((word) => didYouMean(word, known)),
      ['server', 'cas', 'instances'],
    );
  });

  it('does not guess', () => {
    assert.deepEqual(
      [didYouMean('license', known), didYouMean('x', known), didYouMean('servr', [])],
      Array(3).fill(undefined),
    );
  });
});
