import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import {
  BLAKE3,
  SHA1,
  SHA256,
  SHA384,
  SHA512,
  digestFunctionOf,
  digestFunctions,
  loadDigestFunctions,
} from '../../src/digest/digest-function.js';
import { StatusError } from '../../src/common/status-error.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';

const invalid = hasCode(Code.InvalidArgument);

describe('Digest', () => {
  before(loadDigestFunctions);

  const hello = Digest.of(Buffer.from('hello'));

  it('is the hash and the size of the bytes', () => {
    assert.equal(String(hello), '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/5');
  });

  it('has the empty blobs of the specification', () => {
    const starts = [SHA256, SHA1, SHA384, SHA512, BLAKE3].map((fn) => Digest.empty(fn).hash.slice(0, 12));

    assert.deepEqual(starts, ['e3b0c44298fc', 'da39a3ee5e6b', '38b060a751ac', 'cf83e1357eef', 'af1349b9f5f9']);
    for (const fn of digestFunctions) assert.equal(fn.hash(new Uint8Array()), fn.emptyHash);
  });

  for (const [what, hash, sizeBytes] of [
    ['an upper-case hash', hello.hash.toUpperCase(), 5],
    ['a hash that is too short', hello.hash.slice(1), 5],
    ['a hash that is too long', `${hello.hash}0`, 5],
    ['a hash that is not hex', `${hello.hash.slice(1)}g`, 5],
    ['a hash with a line end', `${hello.hash.slice(1)}\n`, 5],
    ['a path for a hash', '../../etc/passwd', 5],
    ['a negative size', hello.hash, -1],
    ['a fractional size', hello.hash, 1.5],
    ['a size beyond 2^53', hello.hash, 2 ** 53],
    ['size 0 and another hash than the empty one', hello.hash, 0],
    ['the empty hash and a size', Digest.empty().hash, 1],
  ] as const) {
    it(`refuses ${what} (DIG-1 to DIG-3)`, () => {
      assert.throws(() => Digest.from(hash, sizeBytes), invalid);
      assert.throws(() => Digest.fromProto({ hash, sizeBytes }, SHA256), invalid);
    });
  }

  it('refuses a message that is not set (DIG-3)', () => {
    assert.throws(() => Digest.fromProto(null, SHA256), invalid);
    assert.throws(() => Digest.fromProto(undefined, SHA256), invalid);
    assert.throws(() => Digest.fromProto({}, SHA256), invalid);
  });

  const anyDigest = fc
    .tuple(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...digestFunctions))
    .map(([bytes, fn]) => Digest.of(bytes, fn));

  it('comes back from its text, with any separator', () => {
    fc.assert(
      fc.property(anyDigest, fc.constantFrom('/', '-', '_'), (digest, separator) => {
        assert.ok(Digest.parse(String(digest).replace('/', separator)).equals(digest));
      }),
    );
  });

  it('comes back from the wire', () => {
    fc.assert(
      fc.property(anyDigest, (digest) => {
        const bytes = reapi.Digest.encode(digest.toProto()).finish();
        assert.ok(Digest.fromProto(reapi.Digest.decode(bytes), digest.function).equals(digest));
      }),
    );
  });

  it('has one key for each function, hash and size, which is a safe path (S1)', () => {
    fc.assert(
      fc.property(anyDigest, anyDigest, (left, right) => {
        assert.equal(left.key === right.key, left.equals(right));
        assert.match(left.key, /^[a-z0-9]+\/[0-9a-f]+-\d+$/);
      }),
    );
  });

  it('reads any text as a digest or refuses it with INVALID_ARGUMENT (S1)', () => {
    const nearly = fc.stringMatching(/^([a-z0-9]{1,7}:)?[0-9a-fA-F]{0,65}[/_-]?\d{0,17}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (text) => {
        try {
          const digest = Digest.parse(text);
          assert.ok(digest.function.hashes(digest.hash));
        } catch (reason) {
          assert.ok(reason instanceof StatusError && reason.code === Code.InvalidArgument, String(reason));
        }
      }),
    );
  });

  it('is printed without its function only for SHA-256', () => {
    const sha1 = Digest.of(Buffer.from('hello'), SHA1);

    assert.equal(String(sha1), 'sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d/5');
    assert.equal(JSON.stringify({ sha1 }), `{"sha1":"${String(sha1)}"}`);
  });
});

describe('digestFunctionOf', () => {
  before(loadDigestFunctions);

  const { Value } = reapi.DigestFunction;

  it('infers an unset function from the length of a hash (DIG-4)', () => {
    for (const fn of [SHA256, SHA1, SHA384, SHA512]) assert.equal(digestFunctionOf(0, 'a'.repeat(fn.hexLength)), fn);
    assert.equal(digestFunctionOf(undefined, undefined), SHA256);
    assert.equal(digestFunctionOf(0, ''), SHA256);
  });

  it('refuses a length that fits none, and functions that are not offered (DIG-4, DIG-5)', () => {
    assert.throws(() => digestFunctionOf(0, 'abc'), invalid);
    assert.throws(() => digestFunctionOf(Value.SHA256TREE), /SHA256TREE is not offered here; offered are SHA256/);
    assert.throws(() => digestFunctionOf(99), invalid);
  });

  it('never infers BLAKE3, which has to be named (DIG-4, DIG-5)', () => {
    const { hash } = Digest.of(Buffer.from('hello'), BLAKE3);

    assert.equal(digestFunctionOf(0, hash), SHA256);
    assert.equal(digestFunctionOf(Value.BLAKE3, hash), BLAKE3);
    assert.equal(Digest.parse(`blake3:${hash}/5`).function, BLAKE3);
    assert.equal(Digest.parse(`${hash}/5`).function, SHA256);
  });

  it('takes a named function whatever the hash looks like', () => {
    assert.equal(digestFunctionOf(Value.SHA1, 'a'.repeat(64)), SHA1);
  });

  it('hashes in pieces as in one', () => {
    for (const fn of digestFunctions) {
      const hasher = fn.createHasher();
      hasher.update(Buffer.from('hel'));
      hasher.update(Buffer.from('lo'));
      assert.equal(hasher.digest(), fn.hash(Buffer.from('hello')));
    }
  });
});
