import assert from 'node:assert/strict';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { FailureExcludingActionCache } from '../../src/actioncache/failure-excluding-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';
import { describeActionCache } from './contract/action-cache.js';

const newCache = (): ActionCache => new KeyedActionCache(new MemoryKeyedStore());

describeActionCache('FailureExcludingActionCache', () => new FailureExcludingActionCache(newCache()), {
  keepsFailures: false,
});

describe('FailureExcludingActionCache', () => {
  const action = Digest.of(Buffer.from('an action'));
  const failure = reapi.ActionResult.create({ exitCode: 3 });

  it('refuses the result of a failed action, and says what would allow it (AC-8)', async () => {
    const inner = newCache();
    const cache = new FailureExcludingActionCache(inner);

    await assert.rejects(cache.update(action, failure), (reason) => {
      assert.match(String(reason), /exit code 3.*cache-failed-actions/);
      return hasCode(Code.FailedPrecondition)(reason);
    });

    assert.equal(await inner.get(action), undefined);
  });

  it('takes a failure that is there already for a miss, which a success replaces (AC-8)', async () => {
    const inner = newCache();
    await inner.update(action, failure);
    const cache = new FailureExcludingActionCache(inner);

    assert.equal(await cache.get(action), undefined);

    await cache.update(action, reapi.ActionResult.create({ exitCode: 0 }));
    assert.equal((await cache.get(action))?.exitCode, 0);
  });
});
