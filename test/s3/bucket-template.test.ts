import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { BucketTemplate } from '../../src/s3/bucket-template.js';
import { hasCode } from '../helpers/has-code.js';

describe('BucketTemplate', () => {
  const hash = '3fa9'.padEnd(64, '0');

  it('puts characters of the hash where BuildGrid does', () => {
    assert.equal(new BucketTemplate('bucket-{digest[0]}{digest[1]}').bucketFor(hash), 'bucket-3f');
    assert.equal(new BucketTemplate('{digest[3]}.cas').bucketFor(hash), '9.cas');
    assert.equal(new BucketTemplate('b-{digest}').bucketFor('3f'), 'b-3f');
  });

  it('is one bucket where it names no part of the hash', () => {
    assert.equal(new BucketTemplate('bucket').bucketFor(hash), 'bucket');
  });

  it('names every bucket that it may mean, unless they are too many', () => {
    const names = new BucketTemplate('b-{digest[0]}{digest[1]}-{digest[0]}').buckets();

    assert.deepEqual(new BucketTemplate('bucket').buckets(), ['bucket']);
    assert.deepEqual([names.length, names[0], names[0x3f], names[255]], [256, 'b-00-0', 'b-3f-3', 'b-ff-f']);
    assert.throws(() => new BucketTemplate('b-{digest}').buckets(), hasCode(Code.FailedPrecondition));
    assert.throws(
      () => new BucketTemplate('{digest[0]}{digest[1]}{digest[2]}{digest[3]}').buckets(),
      hasCode(Code.FailedPrecondition),
    );
  });

  it('names a bucket for a hash that is shorter than its index', () => {
    assert.equal(new BucketTemplate('b-{digest[41]}').bucketFor('3fa9'.repeat(10)), 'b-f');
  });
});
