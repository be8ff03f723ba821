import assert from 'node:assert/strict';
import type { Asset, AssetKind } from '../../src/assets/asset.js';
import type { AssetQuery } from '../../src/assets/asset-source.js';
import { type AssetPush, AssetStore } from '../../src/assets/asset-store.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA1, SHA256 } from '../../src/digest/digest-function.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { hasCode } from '../helpers/has-code.js';
import { RecordingLogger } from '../helpers/recording-logger.js';
import { ContentBench } from './content-bench.js';

const branch = { name: 'vcs.branch', value: 'main' };
const commit = { name: 'vcs.commit', value: 'abc' };
const other = { name: 'vcs.commit', value: 'def' };

describe('AssetStore', () => {
  const uri = 'https://example.org/archive.tar';
  let bench: ContentBench;
  let clock: FakeClock;
  let values: MemoryKeyedStore;
  let logger: RecordingLogger;
  let store: AssetStore;

  beforeEach(() => {
    bench = new ContentBench();
    clock = new FakeClock();
    values = new MemoryKeyedStore({ clock });
    logger = new RecordingLogger();
    store = new AssetStore({ values, blobs: bench.blobs, clock, logger });
  });

  const push = (digest: Digest, more: Partial<AssetPush> = {}): Promise<void> =>
    store.push({
      kind: 'blob',
      uris: [uri],
      qualifiers: [],
      digest,
      references: { blobs: [], roots: [] },
      expiresAtMs: undefined,
      ...more,
    });
  const find = (more: Partial<AssetQuery> = {}): Promise<Asset | undefined> =>
    store.find({ kind: 'blob', uris: [uri], qualifiers: [], ...more });
  const found = async (more?: Partial<AssetQuery>): Promise<string | undefined> => {
    const asset = await find(more);
    return asset && String(asset.digest);
  };

  it('finds what was pushed, with all that was said of it', async () => {
    const digest = await bench.put('content');
    const reference = await bench.put('goes with it');
    const expiresAtMs = clock.now() + 5_000;

    await push(digest, { qualifiers: [branch], references: { blobs: [reference], roots: [] }, expiresAtMs });

    assert.deepEqual(await find({ qualifiers: [branch] }), {
      kind: 'blob',
      uri,
      qualifiers: [branch],
      digest,
      references: { blobs: [reference], roots: [] },
      storedAtMs: clock.now(),
      expiresAtMs,
    });
  });

  it('knows nothing of other URIs, and nothing of a blob when asked for a directory', async () => {
    await push(await bench.put('content'));

    assert.equal(await find({ uris: [`${uri}.gz`] }), undefined);
    assert.equal(await find({ kind: 'directory' }), undefined);
  });

  it('gives each URI of a push the name, and finds the first of a query that is known', async () => {
    const digest = await bench.put('content');

    await push(digest, { uris: [uri, 'urn:mirror'] });

    assert.equal(await found({ uris: ['urn:unknown', 'urn:mirror'] }), String(digest));
    assert.equal((await find({ uris: ['urn:unknown', 'urn:mirror'] }))?.uri, 'urn:mirror');
  });

  it('finds the latest push', async () => {
    const second = await bench.put('second');
    await push(await bench.put('first'));

    await push(second);

    assert.equal(await found(), String(second));
  });

  describe('with qualifiers', () => {
    it('finds an asset that has all qualifiers that are asked for, also if it has more (AS-1)', async () => {
      const digest = await bench.put('content');

      await push(digest, { qualifiers: [branch, commit] });

      assert.equal(await found({ qualifiers: [branch, commit] }), String(digest));
      assert.equal(await found({ qualifiers: [commit] }), String(digest));
      assert.equal(await found(), String(digest));
    });

    it('misses an asset that lacks one, or has another value of it', async () => {
      await push(await bench.put('content'), { qualifiers: [branch] });

      assert.equal(await find({ qualifiers: [branch, commit] }), undefined);
      assert.equal(await find({ qualifiers: [{ name: 'vcs.branch', value: 'next' }] }), undefined);
    });

    it('keeps assets apart that differ in a qualifier, and prefers the one that has no others', async () => {
      const [plain, one, two] = [await bench.put('plain'), await bench.put('one'), await bench.put('two')];
      await push(plain);
      await push(one, { qualifiers: [commit] });
      await push(two, { qualifiers: [other] });

      assert.equal(await found(), String(plain));
      assert.equal(await found({ qualifiers: [commit] }), String(one));
      assert.equal(await found({ qualifiers: [other] }), String(two));
    });

    it('finds the latest of several that fit', async () => {
      const second = await bench.put('second');
      await push(await bench.put('first'), { qualifiers: [branch, commit] });
      await push(second, { qualifiers: [branch, other] });

      assert.equal(await found({ qualifiers: [branch] }), String(second));
    });

    it('keeps names apart whose parts look alike when written one after the other', async () => {
      await push(await bench.put('content'), { qualifiers: [{ name: 'a', value: 'b","c' }] });

      assert.equal(
        await find({
          qualifiers: [
            { name: 'a', value: 'b' },
            { name: 'c', value: '' },
          ],
        }),
        undefined,
      );
    });

    it('finds every set by all of its qualifiers, however many there are, and the latest hundred by a part', async () => {
      const digest = await bench.put('content');
      const numbered = (index: number) => ({ name: 'number', value: String(index) });
      for (let index = 0; index <= 100; index += 1) await push(digest, { qualifiers: [numbered(index), branch] });

      assert.equal(await found({ qualifiers: [numbered(0), branch] }), String(digest));
      assert.equal(await found({ qualifiers: [numbered(1)] }), String(digest));
      assert.equal(await found({ qualifiers: [numbered(0)] }), undefined);
    });

    it('loses none of the sets that are pushed at the same time', async () => {
      const digest = await bench.put('content');
      const numbers = Array.from({ length: 20 }, (_, index) => ({ name: 'number', value: String(index) }));

      await Promise.all(numbers.map((number) => push(digest, { qualifiers: [number, branch] })));

      for (const number of numbers) assert.equal(await found({ qualifiers: [number] }), String(digest));
    });
  });

  describe('over time', () => {
    it('forgets an asset when it expires', async () => {
      await push(await bench.put('content'), { expiresAtMs: clock.now() + 1_000 });

      clock.advance(999);
      assert.ok(await find());
      clock.advance(1);
      assert.equal(await find(), undefined);
    });

    it('lets a later push change the moment, or take the name away', async () => {
      const digest = await bench.put('content');
      await push(digest, { expiresAtMs: clock.now() + 1_000 });

      await push(digest, { expiresAtMs: clock.now() + 5_000 });
      clock.advance(2_000);
      assert.ok(await find());

      await push(digest, { expiresAtMs: clock.now() });
      assert.equal(await find(), undefined);
    });

    it('passes over content that is older than what is accepted', async () => {
      await push(await bench.put('content'));
      const pushedAt = clock.now();
      clock.advance(1_000);

      assert.ok(await find({ oldestAcceptedMs: pushedAt }));
      assert.equal(await find({ oldestAcceptedMs: pushedAt + 1 }), undefined);
      assert.ok(await find(), 'it is still there for others');
    });
  });

  it('finds content of the digest function that is asked for, and of any when none is', async () => {
    const digest = await bench.put('content', SHA1);
    await push(digest);

    assert.equal(await found({ function: SHA1 }), String(digest));
    assert.equal(await found(), String(digest));
    assert.equal(await found({ function: SHA256 }), undefined);
  });

  describe('while content goes', () => {
    const gone = async (kind: AssetKind, digest: Digest, missing: Digest, references = {}): Promise<void> => {
      await push(digest, { kind, references: { blobs: [], roots: [], ...references } });
      assert.ok(await find({ kind }));

      await bench.blobs.delete([missing]);

      assert.equal(await find({ kind }), undefined);
      assert.equal(logger.lines.length, 1);
      // Dropped, not just hidden: what comes back later was not pushed again.
      await bench.put('content');
      assert.equal(await find({ kind }), undefined);
    };

    it('misses an asset whose blob has gone', async () => {
      const digest = await bench.put('content');
      await gone('blob', digest, digest);
    });

    for (const part of ['root', 'child', 'rootFile', 'deepFile'] as const) {
      it(`misses an asset whose tree has lost its ${part}`, async () => {
        const tree = await bench.putTree('sample');
        await gone('directory', tree.root, tree[part]);
      });
    }

    it('misses an asset whose referenced blob has gone', async () => {
      const reference = await bench.put('goes with it');
      await gone('blob', await bench.put('content'), reference, { blobs: [reference] });
    });

    it('misses an asset whose referenced tree is no longer whole', async () => {
      const tree = await bench.putTree('sample');
      await gone('blob', await bench.put('content'), tree.deepFile, { roots: [tree.root] });
    });

    it('goes on to another URI, and to another set of qualifiers', async () => {
      const [lost, kept] = [await bench.put('lost'), await bench.put('kept')];
      await push(lost);
      await push(kept, { qualifiers: [branch] });
      await push(kept, { uris: ['urn:mirror'] });
      await bench.blobs.delete([lost]);

      assert.deepEqual((await find())?.qualifiers, [branch]);
      assert.equal((await find({ qualifiers: [], uris: [uri, 'urn:mirror'] }))?.digest.equals(kept), true);
    });

    it('says that a store is down, and keeps the asset', async () => {
      const digest = await bench.put('content');
      await push(digest);

      bench.blobs.isDown = true;
      await assert.rejects(find(), hasCode(Code.Unavailable));

      bench.blobs.isDown = false;
      assert.equal(await found(), String(digest));
    });
  });

  it('refuses to name what is not in the CAS', async () => {
    const tree = await bench.putTree('sample');
    await bench.blobs.delete([tree.deepFile]);
    const absent = Digest.of(Buffer.from('never uploaded'));

    await assert.rejects(push(absent), hasCode(Code.FailedPrecondition));
    await assert.rejects(push(tree.root, { kind: 'directory' }), hasCode(Code.FailedPrecondition));
    await assert.rejects(
      push(tree.rootFile, { references: { blobs: [absent], roots: [] } }),
      hasCode(Code.FailedPrecondition),
    );
    assert.equal(await find(), undefined);
  });

  it('refuses a directory that is none', async () => {
    const digest = await bench.put('this is not a Directory');

    await assert.rejects(push(digest, { kind: 'directory' }), hasCode(Code.InvalidArgument));
  });

  it('names the empty blob and the empty Directory, which nobody uploads (DIG-6)', async () => {
    await push(Digest.empty());
    await push(Digest.empty(), { kind: 'directory' });

    assert.ok(await find());
    assert.ok(await find({ kind: 'directory' }));
  });
});
