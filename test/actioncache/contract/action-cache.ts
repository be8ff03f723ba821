import assert from 'node:assert/strict';
import type { ActionCache } from '../../../src/actioncache/action-cache.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1 } from '../../../src/digest/digest-function.js';
import { reapi } from '../../../src/proto/index.js';

/** In what an {@link ActionCache} may differ from others. */
interface Peculiarities {
  /** Whether a later result takes the place of the first. @defaultValue true */
  readonly isReplacing?: boolean;
  /** Whether results of failed actions are kept. @defaultValue true */
  readonly keepsFailures?: boolean;
}

/** What every {@link ActionCache} promises. Each implementation runs all of it. */
export function describeActionCache(
  name: string,
  create: () => Promise<ActionCache> | ActionCache,
  { isReplacing = true, keepsFailures = true }: Peculiarities = {},
): void {
  describe(`${name} as an ActionCache`, () => {
    const action = Digest.of(Buffer.from('an action'));
    let cache: ActionCache;

    beforeEach(async () => {
      cache = await create();
    });

    const result = (target: string): reapi.ActionResult =>
      reapi.ActionResult.create({
        outputSymlinks: [{ path: 'link', target }],
        executionMetadata: { worker: 'worker' },
      });
    const targetOf = (found: reapi.ActionResult | undefined): unknown => found?.outputSymlinks[0]?.target;

    it('has no result until one is stored', async () => {
      assert.equal(await cache.get(action), undefined);

      await cache.update(action, result('a'));

      assert.equal(targetOf(await cache.get(action)), 'a');
    });

    if (isReplacing) {
      it('lets the last write win (AC-5)', async () => {
        await cache.update(action, result('a'));
        await cache.update(action, result('b'));

        assert.equal(targetOf(await cache.get(action)), 'b');
      });
    }

    it('returns what it stores (AC-4)', async () => {
      const stored = await cache.update(action, result('a'));

      assert.deepEqual(stored.toJSON(), (await cache.get(action))?.toJSON());
    });

    it('tells actions apart by function, hash and size (AC-1)', async () => {
      await cache.update(action, result('a'));

      assert.equal(await cache.get(Digest.of(Buffer.from('an action'), SHA1)), undefined);
      assert.equal(await cache.get(Digest.from(action.hash, action.sizeBytes + 1)), undefined);
    });

    it('keeps every part of a result', async () => {
      const full = reapi.ActionResult.create({
        exitCode: keepsFailures ? 3 : 0,
        outputFileSymlinks: [{ path: 'old', target: 'file' }],
        outputSymlinks: [{ path: 'new', target: '../x' }],
        executionMetadata: { worker: 'w', queuedTimestamp: { seconds: 5, nanos: 6 } },
      });

      await cache.update(action, full);

      const found = await cache.get(action);
      assert.deepEqual(found && reapi.ActionResult.encode(found).finish(), reapi.ActionResult.encode(full).finish());
    });

    it('never stores a result that encodes to no bytes (AC-7)', async () => {
      await cache.update(action, reapi.ActionResult.create({}));

      assert.notEqual((await cache.get(action))?.executionMetadata?.worker ?? '', '');
    });

    it('forgets a deleted result, and ignores an absent one', async () => {
      await cache.update(action, result('a'));

      await cache.delete(action);
      await cache.delete(action);

      assert.equal(await cache.get(action), undefined);
    });
  });
}
