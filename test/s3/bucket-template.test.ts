import assert from 'node:assert/strict';
import { BucketTemplate } from '../../src/s3/bucket-template.js';

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

  it('names a bucket for a hash that is shorter than its index', () => {
    assert.equal(new BucketTemplate('b-{digest[41]}').bucketFor('3fa9'.repeat(10)), 'b-f');
  });
});
