import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { resolveInside } from '../../src/merkle/resolve-inside.js';
import { hasCode } from '../helpers/has-code.js';

describe('resolveInside', () => {
  it('resolves a path by its text', () => {
    assert.equal(resolveInside('', 'a//b/./c/', 'Output'), 'a/b/c');
    assert.equal(resolveInside('a/b', '../c', 'Output'), 'a/c');
    assert.equal(resolveInside('a', '..', 'Output'), '');
    assert.equal(resolveInside('', '', 'Output'), '');
  });

  for (const path of ['/etc', '..', 'a/../..', 'a\0b']) {
    it(`refuses ${JSON.stringify(path)} (CMD-3)`, () => {
      assert.throws(() => resolveInside('', path, 'Output'), hasCode(Code.InvalidArgument));
    });
  }
});
