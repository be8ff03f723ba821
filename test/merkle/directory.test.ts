import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { checkDirectory, compareByUtf8, decodeDirectory, isPathSegment } from '../../src/merkle/directory.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';

const invalid = hasCode(Code.InvalidArgument);
const digest = Digest.empty().toProto();

describe('checkDirectory', () => {
  for (const name of ['', '.', '..', 'a/b', '/', 'a\0b', '\uFFFD']) {
    it(`refuses the name ${JSON.stringify(name)} in each list (DIG-12, S1)`, () => {
      assert.ok(!isPathSegment(name));
      assert.throws(() => checkDirectory({ files: [{ name, digest }] }), invalid);
      assert.throws(() => checkDirectory({ directories: [{ name, digest }] }), invalid);
      assert.throws(() => checkDirectory({ symlinks: [{ name, target: 'x' }] }), invalid);
    });
  }

  it('refuses a name that stands twice, over all lists (DIG-11)', () => {
    const a = { name: 'a', digest };

    assert.throws(() => checkDirectory({ files: [a, a] }), /"a" twice/);
    assert.throws(() => checkDirectory({ files: [a], directories: [a] }), invalid);
    assert.throws(() => checkDirectory({ directories: [a], symlinks: [{ name: 'a', target: 'x' }] }), invalid);
  });

  it('refuses a symlink without a target (DIG-13)', () => {
    assert.throws(() => checkDirectory({ symlinks: [{ name: 'a' }] }), invalid);
  });

  it('takes unsorted lists, and names that differ in case (DIG-12)', () => {
    checkDirectory({
      files: [
        { name: 'b', digest },
        { name: 'B', digest },
        { name: '...', digest },
        { name: 'ünï', digest },
      ],
      symlinks: [{ name: 'a', target: '../../elsewhere' }],
    });
  });
});

describe('decodeDirectory', () => {
  it('reads any bytes as a Directory or refuses them with INVALID_ARGUMENT (S1)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeDirectory(bytes);
        } catch (reason) {
          assert.ok(reason instanceof StatusError && reason.code === Code.InvalidArgument, String(reason));
        }
      }),
    );
  });

  it('refuses a name that is not UTF-8', () => {
    const bytes = Buffer.from(reapi.Directory.encode({ files: [{ name: 'xx', digest }] }).finish());
    bytes[bytes.indexOf('xx')] = 0xff;

    assert.throws(() => decodeDirectory(bytes), invalid);
  });
});

describe('compareByUtf8', () => {
  it('orders by the bytes of UTF-8, where UTF-16 differs (DIG-10)', () => {
    const [beyond, privateUse] = ['\u{1F389}', '\uE000'];

    assert.ok(beyond < privateUse, 'the order of JavaScript');
    assert.ok(compareByUtf8(beyond, privateUse) > 0);
  });

  it('agrees with Buffer.compare on any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (left, right) => {
        assert.equal(compareByUtf8(left, right), Buffer.compare(Buffer.from(left), Buffer.from(right)));
      }),
    );
  });
});
