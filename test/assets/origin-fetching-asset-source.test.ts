import assert from 'node:assert/strict';
import type { Asset } from '../../src/assets/asset.js';
import type { AssetQuery } from '../../src/assets/asset-source.js';
import { AssetStore } from '../../src/assets/asset-store.js';
import { OriginFetchingAssetSource } from '../../src/assets/origin-fetching-asset-source.js';
import { AllowList } from '../../src/assets/origins/allow-list.js';
import type { Origin, OriginRequest } from '../../src/assets/origins/origin.js';
import { Code } from '../../src/common/code.js';
import { orAborted } from '../../src/common/or-aborted.js';
import { StatusError } from '../../src/common/status-error.js';
import type { Digest } from '../../src/digest/digest.js';
import { SHA1 } from '../../src/digest/digest-function.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { hasCode } from '../helpers/has-code.js';
import { until } from '../helpers/until.js';
import { ContentBench } from './content-bench.js';

/** An origin that a test answers for. */
class FakeOrigin implements Origin {
  readonly requests: OriginRequest[] = [];
  answer: (request: OriginRequest, signal: AbortSignal) => Promise<Digest> = () =>
    Promise.reject(new Error('nothing was prepared'));

  serves(): boolean {
    return true;
  }

  retrieve(request: OriginRequest, signal: AbortSignal): Promise<Digest> {
    this.requests.push(request);
    return this.answer(request, signal);
  }
}

const uri = 'https://example.org/file';
const mirror = 'https://mirror.example/file';

describe('OriginFetchingAssetSource', () => {
  let bench: ContentBench;
  let clock: FakeClock;
  let store: AssetStore;
  let origin: FakeOrigin;
  let source: OriginFetchingAssetSource;

  beforeEach(() => {
    bench = new ContentBench();
    clock = new FakeClock();
    store = new AssetStore({ values: new MemoryKeyedStore({ clock }), blobs: bench.blobs, clock });
    origin = new FakeOrigin();
    const allowList = new AllowList(['example.org', 'mirror.example']);
    source = new OriginFetchingAssetSource({ store, allowList, origins: [origin], timeoutMs: 10_000, clock });
  });

  afterEach(() => source[Symbol.asyncDispose]());

  const find = (more: Partial<AssetQuery> = {}, signal?: AbortSignal): Promise<Asset | undefined> =>
    source.find({ kind: 'blob', uris: [uri], qualifiers: [], ...more }, signal);
  const push = async (content: string): Promise<void> =>
    store.push({
      kind: 'blob',
      uris: [uri],
      qualifiers: [],
      digest: await bench.put(content),
      references: { blobs: [], roots: [] },
      expiresAtMs: undefined,
    });
  const fails = (code: Code, message = 'no such thing') => Promise.reject(new StatusError(code, message));

  it('answers what was pushed, and asks no origin', async () => {
    await push('pushed');

    assert.equal((await find())?.digest.equals(await bench.put('pushed')), true);
    assert.deepEqual(origin.requests, []);
  });

  it('fetches what nobody has pushed, once, with the qualifiers and the digest function of the request', async () => {
    origin.answer = () => bench.put('fetched', SHA1);
    const query = { qualifiers: [{ name: 'checksum.sri', value: 'some' }], function: SHA1 };

    const fetched = await find(query);
    const known = await find(query);

    assert.deepEqual(known, fetched);
    assert.equal(fetched?.digest.equals(await bench.put('fetched', SHA1)), true);
    assert.equal(fetched.uri, uri);
    assert.deepEqual(
      origin.requests.map(({ url, qualifiers, function: fn }) => [url.href, qualifiers, fn]),
      [[uri, query.qualifiers, SHA1]],
    );
  });

  it('fetches again what is older than accepted, or has gone from the CAS', async () => {
    origin.answer = () => bench.put('fetched');
    const first = await find();
    clock.advance(1_000);

    await find({ oldestAcceptedMs: clock.now() });
    assert.equal(origin.requests.length, 2);

    await bench.blobs.delete([first!.digest]);
    await find();
    assert.equal(origin.requests.length, 3);
  });

  it('counts the age from when the retrieval began', async () => {
    const begun = clock.now();
    origin.answer = async () => {
      clock.advance(5_000);
      return bench.put('fetched');
    };

    assert.equal((await find())?.storedAtMs, begun);
  });

  it('goes on to a mirror', async () => {
    origin.answer = ({ url }) => (url.href === uri ? fails(Code.NotFound) : bench.put('fetched'));

    assert.equal((await find({ uris: [uri, mirror] }))?.uri, mirror);
  });

  it('tells the failure that may heal, else the last one', async () => {
    origin.answer = ({ url }) => fails(url.href === uri ? Code.Unavailable : Code.NotFound);
    await assert.rejects(find({ uris: [uri, mirror] }), hasCode(Code.Unavailable));

    origin.answer = ({ url }) => fails(url.href === uri ? Code.FailedPrecondition : Code.NotFound);
    await assert.rejects(find({ uris: [uri, mirror] }), hasCode(Code.NotFound));
  });

  describe('with its allow-list', () => {
    it('asks only where it may', async () => {
      origin.answer = () => fails(Code.NotFound);

      await assert.rejects(find({ uris: ['https://other.example/file', mirror] }), hasCode(Code.NotFound));
      assert.deepEqual(
        origin.requests.map(({ url }) => url.href),
        [mirror],
      );
    });

    it('is PERMISSION_DENIED where it may ask nowhere, and finds what was pushed all the same', async () => {
      const uris = ['urn:example:asset', 'https://other.example/file'];

      await assert.rejects(find({ uris }), hasCode(Code.PermissionDenied));
      await push('pushed');
      assert.ok(await find({ uris: [...uris, uri] }));
      assert.deepEqual(origin.requests, []);
    });

    it('knows nothing of names for which there is no origin', async () => {
      origin.serves = () => false;

      assert.equal(await find({ uris: ['urn:example:asset', 'not a URI', uri] }), undefined);
    });
  });

  describe('while it takes time', () => {
    let release: () => void;

    beforeEach(() => {
      const released = new Promise<void>((resolve) => (release = resolve));
      origin.answer = async (_, signal) => {
        await orAborted(released, signal);
        return bench.put('fetched');
      };
    });

    it('lets clients share a retrieval', async () => {
      const finding = Promise.all([find(), find(), find({ oldestAcceptedMs: clock.now() })]);
      await until(() => origin.requests.length > 0);
      release();

      const found = await finding;
      assert.ok(found.every((asset) => asset?.digest.equals(found[0]!.digest)));
      assert.equal(origin.requests.length, 1);
    });

    it('begins another for a client that does not take one so old', async () => {
      const first = find();
      await until(() => origin.requests.length === 1);
      clock.advance(1_000);
      const second = find({ oldestAcceptedMs: clock.now() });
      await until(() => origin.requests.length === 2);
      release();

      await Promise.all([first, second]);
      assert.equal(origin.requests.length, 2);
    });

    it('goes on when the client has gone, who finds the content later', async () => {
      const gone = new AbortController();
      const finding = find({}, gone.signal);
      await until(() => origin.requests.length > 0);
      gone.abort(new StatusError(Code.Cancelled, 'the client has gone'));
      await assert.rejects(finding, hasCode(Code.Cancelled));

      release();
      assert.ok(await find());
      assert.equal(origin.requests.length, 1);
    });

    it('is DEADLINE_EXCEEDED when the time is over that the client gives', async () => {
      await assert.rejects(find({ timeoutMs: 20 }), hasCode(Code.DeadlineExceeded));
    });

    it('runs sixteen at a time', async () => {
      const finding = Array.from({ length: 20 }, (_, index) => find({ uris: [`${uri}/${index}`] }));
      await until(() => origin.requests.length >= 16);
      assert.equal(origin.requests.length, 16);

      release();
      await Promise.all(finding);
      assert.equal(origin.requests.length, 20);
    });

    it('breaks off when the server stops', async () => {
      const finding = find();
      await until(() => origin.requests.length > 0);

      await Promise.all([source[Symbol.asyncDispose](), assert.rejects(finding, hasCode(Code.Unavailable))]);
    });
  });
});
