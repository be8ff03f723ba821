import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { SubresourceIntegrity } from '../../../src/assets/origins/subresource-integrity.js';
import { Code } from '../../../src/common/code.js';
import { hasCode } from '../../helpers/has-code.js';

function checksum(algorithm: string, content: string): string {
  return `${algorithm}-${createHash(algorithm).update(content).digest('base64')}`;
}

function isMet(text: string, ...chunks: readonly string[]): boolean {
  const check = SubresourceIntegrity.parse(text).begin();
  for (const chunk of chunks) check.update(Buffer.from(chunk));
  return check.isMet();
}

describe('SubresourceIntegrity', () => {
  for (const algorithm of ['sha256', 'sha384', 'sha512']) {
    it(`checks ${algorithm}, over however many chunks`, () => {
      assert.ok(isMet(checksum(algorithm, 'content'), 'con', 'tent'));
      assert.ok(!isMet(checksum(algorithm, 'content'), 'content', '!'));
    });
  }

  it('takes several of a kind, of which one has to be right', () => {
    const both = `${checksum('sha256', 'one')} ${checksum('sha256', 'two')}`;

    assert.ok(isMet(both, 'one'));
    assert.ok(isMet(both, 'two'));
    assert.ok(!isMet(both, 'three'));
  });

  it('goes by the strongest kind alone', () => {
    assert.ok(!isMet(`${checksum('sha256', 'one')} ${checksum('sha512', 'two')}`, 'one'));
    assert.ok(isMet(`md5-AAAA ${checksum('sha256', 'one')}?option`, 'one'));
  });

  for (const text of ['', 'sha256', 'sha256-', 'md5-AAAA', 'sha256:abc', 'sha256-not base64!']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => SubresourceIntegrity.parse(text), hasCode(Code.InvalidArgument));
    });
  }
});
