import assert from 'node:assert/strict';
import { ReferenceStore } from '../../src/assets/reference-store.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { bst } from '../../src/proto/index.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { ReferenceStorageService } from '../../src/services/reference-storage-service.js';
import { ContentBench } from '../assets/content-bench.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

describe('ReferenceStorageService', () => {
  const context = fakeCallContext();
  let bench: ContentBench;
  let service: ReferenceStorageService;

  beforeEach(() => {
    bench = new ContentBench();
    const store = new ReferenceStore({ values: new MemoryKeyedStore(), blobs: bench.blobs });
    service = new ReferenceStorageService(
      new InstanceRegistry(
        new Map([
          ['', { references: { store, allowsUpdates: true } }],
          ['read-only', { references: { store, allowsUpdates: false } }],
          ['without', {}],
        ]),
      ),
    );
  });

  const get = (request: bst.GetReferenceRequest.$Properties): Promise<bst.GetReferenceResponse.$Properties> =>
    service.getReference(bst.GetReferenceRequest.create(request), context);
  const update = (request: bst.UpdateReferenceRequest.$Properties): Promise<bst.UpdateReferenceResponse.$Properties> =>
    service.updateReference(bst.UpdateReferenceRequest.create(request), context);
  const status = (instanceName: string): Promise<bst.StatusResponse.$Properties> =>
    service.status(bst.StatusRequest.create({ instanceName }));

  it('answers the digest that its key was updated to', async () => {
    const digest = (await bench.putTree('sample')).root.toProto();

    await update({ keys: ['project/element/one', 'project/element/two'], digest });

    assert.deepEqual(await get({ key: 'project/element/one' }), { digest });
    assert.deepEqual(await get({ key: 'project/element/two', instanceName: 'read-only' }), { digest });
  });

  it('is NOT_FOUND for an unknown key', async () => {
    await assert.rejects(get({ key: 'project/element/key' }), hasCode(Code.NotFound));
  });

  it('tells whether updates are allowed, and refuses them where they are not', async () => {
    const digest = (await bench.putTree('sample')).root.toProto();

    assert.deepEqual(await status(''), { allowUpdates: true });
    assert.deepEqual(await status('read-only'), { allowUpdates: false });
    await assert.rejects(update({ instanceName: 'read-only', keys: ['key'], digest }), hasCode(Code.PermissionDenied));
  });

  it('is UNIMPLEMENTED on an instance without references', async () => {
    await assert.rejects(status('without'), hasCode(Code.Unimplemented));
    await assert.rejects(get({ instanceName: 'without', key: 'key' }), hasCode(Code.Unimplemented));
    await assert.rejects(update({ instanceName: 'without' }), hasCode(Code.Unimplemented));
  });

  it('refuses an update of nothing, of an empty key, of too many keys, and without a digest', async () => {
    const invalid = hasCode(Code.InvalidArgument);
    const digest = (await bench.putTree('sample')).root.toProto();
    const many = Array.from({ length: 101 }, (_, index) => String(index));

    await assert.rejects(update({ keys: [], digest }), invalid);
    await assert.rejects(update({ keys: [''], digest }), invalid);
    await assert.rejects(update({ keys: many, digest }), invalid);
    await assert.rejects(update({ keys: ['key'] }), invalid);
    await assert.rejects(update({ keys: ['key'], digest: { hash: 'no hash', sizeBytes: 1 } }), invalid);
    await assert.rejects(get({ key: '' }), invalid);
  });

  it('refuses to refer to a tree that is not in the CAS', async () => {
    const digest = Digest.of(Buffer.from('never uploaded')).toProto();

    await assert.rejects(update({ keys: ['key'], digest }), hasCode(Code.FailedPrecondition));
  });
});
