import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { SHA1, SHA256 } from '../../src/digest/digest-function.js';
import { parseCachePath } from '../../src/http/cache-path.js';
import { hasCode } from '../helpers/has-code.js';

const hash = 'ab'.repeat(32);
const sha1 = 'cd'.repeat(20);

describe('parseCachePath', () => {
  it('reads the paths of Bazel, below any prefix', () => {
    assert.deepEqual(parseCachePath(`/cas/${hash}`), { kind: 'cas', prefix: '', hash, fn: SHA256 });
    assert.deepEqual(parseCachePath(`/a/b/ac/${hash}`), { kind: 'ac', prefix: 'a/b', hash, fn: SHA256 });
    assert.deepEqual(parseCachePath(`/a//cas/${sha1}`), { kind: 'cas', prefix: 'a', hash: sha1, fn: SHA1 });
  });

  it('takes every other path for the key of a value, also such as ccache makes with "ac" in front', () => {
    for (const key of ['ac/d36hd2ntk7je6qee9aovchc3ru05j1g', `cache/${hash}`, `cas/${hash}x`, 'a/b/c/d-e_f.g%20']) {
      assert.deepEqual(parseCachePath(`/${key}`), { kind: 'value', key });
    }
  });

  it('takes a path that ends in a slash for a folder', () => {
    assert.deepEqual(parseCachePath('/'), { kind: 'folder' });
    assert.deepEqual(parseCachePath('/a/b/'), { kind: 'folder' });
  });

  for (const path of [
    '/../etc/passwd',
    '/a/./b',
    '/a/%2e%2E/b',
    '/a/%2fb',
    '/a%00',
    '/a%5cb',
    '/a\0',
    '/ä',
    '/a%zz',
    'a',
    '*',
    `/${'a'.repeat(1_000)}`,
  ]) {
    it(`refuses ${JSON.stringify(path.slice(0, 20))} (S1)`, () => {
      assert.throws(() => parseCachePath(path), hasCode(Code.InvalidArgument));
    });
  }
});
