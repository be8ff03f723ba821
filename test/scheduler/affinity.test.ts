import assert from 'node:assert/strict';
import { affinityKeyOf } from '../../src/scheduler/affinity.js';
import { actionNamed } from '../helpers/jobs.js';

const inputRootDigest = actionNamed('inputs');

describe('affinityKeyOf', () => {
  it('goes by the target, whatever its inputs, else by the input root', () => {
    assert.equal(
      affinityKeyOf({ targetId: '//a', inputRootDigest }),
      affinityKeyOf({ targetId: '//a', inputRootDigest: undefined }),
    );
    assert.notEqual(
      affinityKeyOf({ targetId: '//a', inputRootDigest }),
      affinityKeyOf({ targetId: '', inputRootDigest }),
    );
    assert.equal(affinityKeyOf({ targetId: '', inputRootDigest: undefined }), undefined);
  });

  it('keeps little of a very long name, and still tells it from others', () => {
    const [one, other] = ['a', 'b'].map((end) =>
      affinityKeyOf({ targetId: `${'x'.repeat(100_000)}${end}`, inputRootDigest: undefined }),
    );

    assert.ok(one && one.length < 300);
    assert.notEqual(one, other);
  });
});
