import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, digestFunctions, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { checkInstanceName } from '../../src/digest/instance-name.js';
import {
  blobPath,
  parseReadResource,
  parseWriteResource,
  readResourceName,
  writeResourceName,
} from '../../src/digest/resource-name.js';
import { hasCode } from '../helpers/has-code.js';

const invalid = hasCode(Code.InvalidArgument);
const hello = Digest.of(Buffer.from('hello'));
const path = `${hello.hash}/5`;

const reserved = ['blobs', 'uploads', 'actions', 'actionResults', 'operations', 'capabilities', 'compressed-blobs'];

const instanceNames = fc
  .array(
    fc
      .string({ minLength: 1, maxLength: 8 })
      .filter((segment) => !segment.includes('/') && !reserved.includes(segment)),
    { maxLength: 3 },
  )
  .map((segments) => segments.join('/'));

const digests = fc
  .tuple(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...digestFunctions))
  .map(([bytes, fn]) => Digest.of(bytes, fn));

const compressors = fc.constantFrom(undefined, 'zstd');

describe('Resource names', () => {
  before(loadDigestFunctions);

  it('come back from what they are made of, for any instance and digest (BS-2)', () => {
    fc.assert(
      fc.property(instanceNames, digests, fc.uuid(), compressors, (instanceName, digest, uuid, compressor) => {
        const read = parseReadResource(readResourceName(instanceName, digest, compressor));
        const write = parseWriteResource(writeResourceName(instanceName, uuid, digest, compressor));

        assert.equal(read.instanceName, instanceName);
        assert.ok(read.digest.equals(digest));
        assert.equal(write.instanceName, instanceName);
        assert.equal(write.uuid, uuid);
        assert.ok(write.digest.equals(digest));
        assert.deepEqual([read.compressor, write.compressor], [compressor, compressor]);
      }),
    );
  });

  it('are read or refused with INVALID_ARGUMENT, whatever the text (S1)', () => {
    const segments = fc.array(
      fc.oneof(fc.constantFrom(...reserved, hello.hash, '5', '..', '.', '', 'sha256', 'zstd', '\0'), fc.string()),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(segments, (parts) => {
        for (const parse of [parseReadResource, parseWriteResource]) {
          try {
            const { digest, instanceName } = parse(parts.join('/'));
            assert.ok(digest.function.hashes(digest.hash));
            checkInstanceName(instanceName);
          } catch (reason) {
            assert.ok(reason instanceof StatusError && reason.code === Code.InvalidArgument, String(reason));
          }
        }
      }),
    );
  });

  it('tell the compressor, if there is one (BS-1)', () => {
    assert.equal(parseReadResource(`a/compressed-blobs/zstd/${path}`).compressor, 'zstd');
    assert.equal(parseReadResource(`a/blobs/${path}`).compressor, undefined);
    assert.equal(parseWriteResource(`uploads/u/compressed-blobs/zstd/${path}`).compressor, 'zstd');
  });

  it('of a write may go on behind the size, of a read not (BS-3)', () => {
    assert.ok(parseWriteResource(`uploads/u/blobs/${path}/any/thing`).digest.equals(hello));
    assert.throws(() => parseReadResource(`blobs/${path}/any`), invalid);
  });

  for (const name of [
    '',
    path,
    `blobs/${hello.hash}`,
    `blobs/${hello.hash}/`,
    `blobs/${hello.hash}/+5`,
    `blobs/${hello.hash}/0x5`,
    `blobs/${hello.hash}/-5`,
    `blobs/${hello.hash}/5.0`,
    `blobs/${hello.hash}/99999999999999999999`,
    `blobs/${hello.hash.toUpperCase()}/5`,
    `blobs/sha256/${path}`,
    `//blobs/${path}`,
    `/a/blobs/${path}`,
    `a//blobs/${path}`,
    `operations/blobs/${path}`,
    `compressed-blobs/${path}`,
  ]) {
    it(`of a read are refused when malformed: ${JSON.stringify(name)}`, () => {
      assert.throws(() => parseReadResource(name), invalid);
    });
  }

  for (const name of [
    `blobs/${path}`,
    'uploads',
    `uploads//blobs/${path}`,
    `uploads/u/${path}`,
    `x/uploads/blobs/${path}`,
  ]) {
    it(`of a write are refused when malformed: ${JSON.stringify(name)}`, () => {
      assert.throws(() => parseWriteResource(name), invalid);
    });
  }

  it('are refused when they are very long: they are kept with uploads (U4)', () => {
    assert.equal(parseWriteResource(`uploads/u/blobs/${path}/${'a/'.repeat(4_000)}`).uuid, 'u');
    assert.throws(() => parseWriteResource(`uploads/${'u'.repeat(10_000)}/blobs/${path}`), invalid);
    assert.throws(() => parseReadResource(`${'i/'.repeat(5_000)}blobs/${path}`), invalid);
  });

  it('may have a slash in front where the instance name is empty, as moon sends it (INST-1)', () => {
    assert.equal(parseReadResource(`/blobs/${path}`).instanceName, '');
    assert.equal(parseWriteResource(`/uploads/u/blobs/${path}`).instanceName, '');
  });

  it('carry the function exactly where its hashes do not tell it (BS-1, DIG-5)', () => {
    const blake3 = Digest.of(Buffer.from('hello'), BLAKE3);

    assert.equal(readResourceName('', blake3), `blobs/blake3/${blake3.hash}/5`);
    assert.equal(readResourceName('a', blake3, 'zstd'), `a/compressed-blobs/zstd/blake3/${blake3.hash}/5`);
    assert.equal(writeResourceName('', 'u', hello, 'zstd'), `uploads/u/compressed-blobs/zstd/${path}`);
    assert.ok(!parseReadResource(`blobs/${blake3.hash}/5`).digest.equals(blake3));
    assert.throws(() => parseReadResource(`blobs/sha256/${path}`), invalid);
  });

  it('spell the subject of a missing blob without the instance (EX-9)', () => {
    assert.equal(blobPath(hello), `blobs/${path}`);
  });
});

describe('checkInstanceName', () => {
  it('takes the empty name and names of several segments (INST-1)', () => {
    for (const name of ['', 'main', 'a/b/c', 'ünï/cödé']) assert.equal(checkInstanceName(name), name);
  });

  it('refuses reserved and empty segments anywhere (INST-1)', () => {
    for (const segment of [...reserved, '']) {
      assert.throws(() => checkInstanceName(`a/${segment}/b`), invalid);
      if (segment !== '') assert.throws(() => checkInstanceName(segment), invalid);
    }
  });
});
