import assert from 'node:assert/strict';
import { ReferenceStore } from '../../src/assets/reference-store.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { hasCode } from '../helpers/has-code.js';
import { RecordingLogger } from '../helpers/recording-logger.js';
import { ContentBench } from './content-bench.js';

describe('ReferenceStore', () => {
  let bench: ContentBench;
  let values: MemoryKeyedStore;
  let logger: RecordingLogger;
  let store: ReferenceStore;

  beforeEach(() => {
    bench = new ContentBench();
    values = new MemoryKeyedStore();
    logger = new RecordingLogger();
    store = new ReferenceStore({ values, blobs: bench.blobs, logger });
  });

  it('finds the tree under each of its keys, and under no other', async () => {
    const { root } = await bench.putTree('sample');

    await store.update(['project/element/weak', 'project/element/strong'], root);

    assert.ok((await store.get('project/element/weak'))?.equals(root));
    assert.ok((await store.get('project/element/strong'))?.equals(root));
    assert.equal(await store.get('project/element'), undefined);
  });

  it('finds the latest update', async () => {
    const second = (await bench.putTree('second')).root;
    await store.update(['key'], (await bench.putTree('first')).root);

    await store.update(['key'], second);

    assert.ok((await store.get('key'))?.equals(second));
  });

  for (const part of ['root', 'child', 'rootFile', 'deepFile'] as const) {
    it(`misses, and drops, a reference to a tree that has lost its ${part}`, async () => {
      const tree = await bench.putTree('sample');
      await store.update(['key'], tree.root);

      await bench.blobs.delete([tree[part]]);

      assert.equal(await store.get('key'), undefined);
      assert.equal(await values.get('reference/key'), undefined);
    });
  }

  it('says that a store is down, and keeps the reference', async () => {
    const { root } = await bench.putTree('sample');
    await store.update(['key'], root);

    bench.blobs.isDown = true;
    await assert.rejects(store.get('key'), hasCode(Code.Unavailable));

    bench.blobs.isDown = false;
    assert.ok(await store.get('key'));
  });

  it('refuses a tree that is not all there, and what is no tree', async () => {
    const tree = await bench.putTree('sample');
    await bench.blobs.delete([tree.child]);

    await assert.rejects(store.update(['key'], tree.root), hasCode(Code.FailedPrecondition));
    await assert.rejects(store.update(['key'], await bench.put('no Directory')), hasCode(Code.InvalidArgument));
    await assert.rejects(
      store.update(['key'], Digest.of(Buffer.from('never uploaded'))),
      hasCode(Code.FailedPrecondition),
    );
  });

  it('drops a value that is damaged', async () => {
    await values.put('reference/key', Buffer.from('not a Digest'));

    assert.equal(await store.get('key'), undefined);
    assert.equal(await values.get('reference/key'), undefined);
    assert.match(String(logger.lines[0]?.fields['fault']), /do not decode as a Digest/);
  });

  it('refuses a key that is too long for its store', async () => {
    const { root } = await bench.putTree('sample');

    await assert.rejects(store.update(['k'.repeat(2_000)], root), hasCode(Code.InvalidArgument));
  });
});
