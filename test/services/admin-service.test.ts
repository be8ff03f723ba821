import assert from 'node:assert/strict';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { StoreReport } from '../../src/blobstore/store-report.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { bgdadmin, reapi } from '../../src/proto/index.js';
import { AdminService } from '../../src/services/admin-service.js';
import { type Instance, InstanceRegistry } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

describe('AdminService', () => {
  const context = fakeCallContext();
  const action = Digest.of(Buffer.from('an action'));
  const part: StoreReport = {
    type: 'disk-storage',
    role: 'fallback',
    place: '/cas',
    stats: { blobs: 0, sizeBytes: 0, figures: { freeBytes: 5 } },
    parts: [],
  };
  const report: StoreReport = {
    type: 'with-cache-storage',
    role: '',
    place: '',
    stats: {},
    trouble: 'x',
    parts: [part],
  };
  let actionCache: KeyedActionCache;
  let service: AdminService;

  beforeEach(() => {
    actionCache = new KeyedActionCache(new MemoryKeyedStore());
    const parts = { blobs: new MemoryBlobStore(), reporter: async () => report, actionCache };
    service = new AdminService(
      new InstanceRegistry(
        new Map<string, Instance>([
          ['admin', { ...parts, allowsAdmin: true }],
          ['plain', parts],
          ['read-only', { ...parts, allowsAdmin: true, isReadOnly: true }],
          ['empty', { allowsAdmin: true }],
        ]),
      ),
    );
  });

  const remove = (instanceName: string, digest: reapi.Digest.$Properties | null = action.toProto()) =>
    service.deleteActionResult(
      bgdadmin.DeleteActionResultRequest.create({ instanceName, actionDigest: digest }),
      context,
    );
  const stats = (instanceName: string) =>
    service.getCasStats(bgdadmin.GetCasStatsRequest.create({ instanceName }), context);

  it('forgets a result, and tells whether there was one', async () => {
    await actionCache.update(action, reapi.ActionResult.create({}));

    assert.deepEqual(await remove('admin'), { existed: true });
    assert.equal(await actionCache.get(action), undefined);
    assert.deepEqual(await remove('admin'), { existed: false });
  });

  it('refuses where the configuration does not allow it, and says what would', async () => {
    await actionCache.update(action, reapi.ActionResult.create({}));

    for (const call of [remove('plain'), stats('plain')]) {
      await assert.rejects(call, (reason) => {
        assert.match(String(reason), /"admin: true" in its configuration/);
        return hasCode(Code.PermissionDenied)(reason);
      });
    }
    assert.ok(await actionCache.get(action));
  });

  it('deletes nothing from an instance that is read-only', async () => {
    await actionCache.update(action, reapi.ActionResult.create({}));

    await assert.rejects(remove('read-only'), hasCode(Code.PermissionDenied));
    assert.ok(await actionCache.get(action));
    assert.equal((await stats('read-only')).type, 'with-cache-storage');
  });

  it('tells a digest that is none from an instance that has no cache', async () => {
    await assert.rejects(remove('admin', null), hasCode(Code.InvalidArgument));
    await assert.rejects(remove('admin', { hash: 'x', sizeBytes: 1 }), hasCode(Code.InvalidArgument));
    await assert.rejects(remove('empty'), hasCode(Code.Unimplemented));
    await assert.rejects(stats('empty'), hasCode(Code.Unimplemented));
    await assert.rejects(remove('unknown'), hasCode(Code.InvalidArgument));
  });

  it('tells what a store says, its parts too, and leaves out what is not known', async () => {
    const answer = bgdadmin.CasStats.decode(bgdadmin.CasStats.encode(await stats('admin')).finish());

    assert.deepEqual([answer.type, answer.trouble, answer.blobs ?? undefined], ['with-cache-storage', 'x', undefined]);
    const [first] = answer.parts;
    assert.deepEqual([first?.role, first?.place, first?.blobs, first?.sizeBytes], ['fallback', '/cas', 0, 0]);
    assert.deepEqual(first?.figures, { freeBytes: 5 });
    assert.equal(first.maxBytes ?? undefined, undefined);
  });
});
