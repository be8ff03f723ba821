import assert from 'node:assert/strict';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { WriteOnceActionCache } from '../../src/actioncache/write-once-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';
import { describeActionCache } from './contract/action-cache.js';

const newInner = (blobs = new MemoryBlobStore()): ActionCache =>
  new CompletenessCheckingActionCache(new KeyedActionCache(new MemoryKeyedStore()), blobs);

describeActionCache('WriteOnceActionCache', () => new WriteOnceActionCache(newInner()), { isReplacing: false });

describe('WriteOnceActionCache', () => {
  const action = Digest.of(Buffer.from('an action'));
  const other = Digest.of(Buffer.from('another action'));
  const isRefused = hasCode(Code.AlreadyExists);

  const printing = (text: string, worker = 'w'): reapi.ActionResult =>
    reapi.ActionResult.create({ stdoutRaw: Buffer.from(text), executionMetadata: { worker } });
  const digestOf = (text: string): string => Digest.of(Buffer.from(text)).hash;

  it('refuses another result with ALREADY_EXISTS and keeps the first', async () => {
    const cache = new WriteOnceActionCache(newInner());
    await cache.update(action, printing('first'));

    await assert.rejects(cache.update(action, printing('second')), isRefused);

    assert.equal((await cache.get(action))?.stdoutDigest?.hash, digestOf('first'));
  });

  it('takes a result again that tells nothing new, and returns the one that is kept', async () => {
    const cache = new WriteOnceActionCache(newInner());
    await cache.update(action, printing('same', 'worker 1'));

    const stored = await cache.update(action, printing('same', 'worker 2'));

    assert.equal(stored.executionMetadata?.worker, 'worker 1');
    assert.equal(stored.stdoutDigest?.hash, digestOf('same'));
  });

  it('keeps exactly one of many results that come at once, and one of each action', async () => {
    const inner = newInner();
    const cache = new WriteOnceActionCache(inner);
    const texts = Array.from({ length: 20 }, (_, index) => `output ${index}`);

    const outcomes = await Promise.allSettled(texts.map((text) => cache.update(action, printing(text))));
    await cache.update(other, printing('of another'));

    const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    assert.equal(winners.length, 1);
    assert.equal((await inner.get(action))?.stdoutDigest?.hash, winners[0]?.stdoutDigest?.hash);
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isRefused(outcome.reason));
  });

  it('replaces a result that is no longer complete', async () => {
    const blobs = new MemoryBlobStore();
    const cache = new WriteOnceActionCache(newInner(blobs));
    await cache.update(action, printing('lost'));
    await blobs.delete([Digest.of(Buffer.from('lost'))]);

    await cache.update(action, printing('new'));

    assert.equal((await cache.get(action))?.stdoutDigest?.hash, digestOf('new'));
  });

  it('takes a new result once the old one was deleted', async () => {
    const cache = new WriteOnceActionCache(newInner());
    await cache.update(action, printing('poisoned'));

    await cache.delete(action);
    await cache.update(action, printing('good'));

    assert.equal((await cache.get(action))?.stdoutDigest?.hash, digestOf('good'));
  });

  it('writes nothing while it cannot tell what is there', async () => {
    const inner = newInner();
    const cache = new WriteOnceActionCache(inner);
    inner.get = () => Promise.reject(new StatusError(Code.Unavailable, 'down'));

    await assert.rejects(cache.update(action, printing('x')), hasCode(Code.Unavailable));
  });
});
