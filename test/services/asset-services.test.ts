import assert from 'node:assert/strict';
import { AssetStore } from '../../src/assets/asset-store.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA1, loadDigestFunctions } from '../../src/digest/digest-function.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi, remoteasset } from '../../src/proto/index.js';
import { secondsAndNanosOf } from '../../src/proto/timestamp.js';
import { FetchService } from '../../src/services/fetch-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { PushService } from '../../src/services/push-service.js';
import { ContentBench } from '../assets/content-bench.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { hasCode } from '../helpers/has-code.js';

const { SHA256: sha256, SHA1: sha1, BLAKE3: blake3 } = reapi.DigestFunction.Value;

describe('FetchService and PushService', () => {
  const context = fakeCallContext();
  const invalid = hasCode(Code.InvalidArgument);
  const uris = ['urn:example:asset'];
  let bench: ContentBench;
  let clock: FakeClock;
  let fetchService: FetchService;
  let pushService: PushService;

  before(loadDigestFunctions);

  beforeEach(() => {
    bench = new ContentBench();
    clock = new FakeClock();
    const store = new AssetStore({ values: new MemoryKeyedStore({ clock }), blobs: bench.blobs, clock });
    const registry = new InstanceRegistry(
      new Map([
        ['', { assets: { source: store, store, allowsUpdates: true } }],
        ['read-only', { assets: { source: store, store, allowsUpdates: false } }],
        ['without', {}],
      ]),
    );
    fetchService = new FetchService(registry);
    pushService = new PushService(registry);
  });

  const fetchBlob = (
    more: remoteasset.FetchBlobRequest.$Properties = {},
  ): Promise<remoteasset.FetchBlobResponse.$Properties> =>
    fetchService.fetchBlob(remoteasset.FetchBlobRequest.create({ uris, ...more }), context);
  const fetchDirectory = (
    more: remoteasset.FetchDirectoryRequest.$Properties = {},
  ): Promise<remoteasset.FetchDirectoryResponse.$Properties> =>
    fetchService.fetchDirectory(remoteasset.FetchDirectoryRequest.create({ uris, ...more }), context);
  const pushBlob = (
    more: remoteasset.PushBlobRequest.$Properties = {},
  ): Promise<remoteasset.PushBlobResponse.$Properties> =>
    pushService.pushBlob(remoteasset.PushBlobRequest.create({ uris, ...more }), context);
  const pushDirectory = (
    more: remoteasset.PushDirectoryRequest.$Properties = {},
  ): Promise<remoteasset.PushDirectoryResponse.$Properties> =>
    pushService.pushDirectory(remoteasset.PushDirectoryRequest.create({ uris, ...more }), context);
  const blob = async (content = 'content'): Promise<reapi.Digest.$Properties> => (await bench.put(content)).toProto();

  it('answers the fetch of a pushed blob with its digest, the URI and the qualifiers', async () => {
    const blobDigest = await blob();
    const qualifiers = [
      { name: 'vcs.commit', value: 'abc' },
      { name: 'resource_type', value: 'application/x-tar' },
    ];
    const expireAt = secondsAndNanosOf(clock.now() + 1_000);
    assert.deepEqual(await pushBlob({ uris: ['urn:other', ...uris], qualifiers, expireAt, blobDigest }), {});

    assert.deepEqual(await fetchBlob({ qualifiers: qualifiers.slice(0, 1) }), {
      status: { code: Code.Ok },
      uri: uris[0],
      qualifiers: [...qualifiers].reverse(),
      expiresAt: expireAt,
      blobDigest,
      digestFunction: sha256,
    });
  });

  it('answers the fetch of a pushed directory with its root', async () => {
    const tree = await bench.putTree('sample');
    await pushDirectory({ rootDirectoryDigest: tree.root.toProto() });

    assert.deepEqual(await fetchDirectory(), {
      status: { code: Code.Ok },
      uri: uris[0],
      qualifiers: [],
      rootDirectoryDigest: tree.root.toProto(),
      digestFunction: sha256,
    });
  });

  it('is NOT_FOUND by the status of the call for what nobody has pushed (AS-1)', async () => {
    await assert.rejects(fetchBlob(), hasCode(Code.NotFound));
    await assert.rejects(fetchDirectory(), hasCode(Code.NotFound));
  });

  it('refuses requests without URIs, by which clients probe for it (AS-1)', async () => {
    await assert.rejects(fetchBlob({ uris: [] }), invalid);
    await assert.rejects(fetchDirectory({ uris: [] }), invalid);
    await assert.rejects(pushBlob({ uris: [] }), invalid);
    await assert.rejects(pushDirectory({ uris: [] }), invalid);
  });

  it('says to an empty push, too, that pushing is not allowed, which is how BuildStream finds out', async () => {
    const denied = hasCode(Code.PermissionDenied);

    await assert.rejects(pushBlob({ instanceName: 'read-only', uris: [] }), denied);
    await assert.rejects(pushDirectory({ instanceName: 'read-only', uris: [] }), denied);
    await assert.rejects(fetchDirectory({ instanceName: 'read-only', uris: [] }), invalid);
  });

  it('is UNIMPLEMENTED on an instance without assets, which has BuildStream try ReferenceStorage', async () => {
    const unimplemented = hasCode(Code.Unimplemented);

    await assert.rejects(fetchDirectory({ instanceName: 'without', uris: [] }), unimplemented);
    await assert.rejects(pushDirectory({ instanceName: 'without', uris: [] }), unimplemented);
    await assert.rejects(fetchDirectory({ instanceName: 'unknown' }), invalid);
  });

  it('honours the digest function of a request', async () => {
    const digest = await bench.put('content', SHA1);
    await pushBlob({ blobDigest: digest.toProto(), digestFunction: sha1 });

    assert.equal((await fetchBlob({ digestFunction: sha1 })).digestFunction, sha1);
    await assert.rejects(fetchBlob({ digestFunction: sha256 }), hasCode(Code.NotFound));
    await assert.rejects(fetchBlob({ digestFunction: reapi.DigestFunction.Value.MD5 }), invalid);
    await assert.rejects(pushBlob({ blobDigest: digest.toProto(), digestFunction: blake3 }), invalid);
  });

  it('passes over content that is older than oldest_content_accepted', async () => {
    await pushBlob({ blobDigest: await blob() });
    const oldestContentAccepted = secondsAndNanosOf(clock.now());

    assert.ok(await fetchBlob({ oldestContentAccepted }));
    await assert.rejects(
      fetchBlob({ oldestContentAccepted: secondsAndNanosOf(clock.now() + 1) }),
      hasCode(Code.NotFound),
    );
  });

  it('refuses to push what is not in the CAS, references included', async () => {
    const absent = Digest.of(Buffer.from('never uploaded')).toProto();
    const blobDigest = await blob();

    for (const request of [
      { blobDigest: absent },
      { blobDigest, referencesBlobs: [absent] },
      { blobDigest, referencesDirectories: [absent] },
    ]) {
      await assert.rejects(pushBlob(request), hasCode(Code.FailedPrecondition));
    }
  });

  describe('refuses a request', () => {
    const twice = [
      { name: 'vcs.branch', value: 'main' },
      { name: 'vcs.branch', value: 'next' },
    ];
    const malformed = { hash: 'not a hash', sizeBytes: 1 };
    const many = Array.from({ length: 101 }, (_, index) => `urn:${index}`);

    for (const [what, request] of [
      ['with an empty URI', { uris: [''] }],
      ['with more URIs than are possible', { uris: many }],
      ['with longer names than are possible', { uris: ['u'.repeat(70_000)] }],
      ['with two qualifiers of one name', { qualifiers: twice }],
      ['with a qualifier that has no name', { qualifiers: [{ value: 'main' }] }],
    ] as const) {
      it(what, async () => {
        const mutable = structuredClone(request) as remoteasset.FetchBlobRequest.$Properties;
        await assert.rejects(fetchBlob(mutable), invalid);
        await assert.rejects(fetchDirectory(mutable), invalid);
        await assert.rejects(pushBlob({ ...mutable, blobDigest: await blob() }), invalid);
      });
    }

    it('to fetch, with a negative timeout', async () => {
      await assert.rejects(fetchBlob({ timeout: { seconds: -1, nanos: 0 } }), invalid);
    });

    it('to push, without a digest or with a malformed one', async () => {
      const blobDigest = await blob();

      await assert.rejects(pushBlob(), invalid);
      await assert.rejects(pushDirectory(), invalid);
      await assert.rejects(pushBlob({ blobDigest: malformed }), invalid);
      await assert.rejects(pushBlob({ blobDigest, referencesBlobs: [malformed] }), invalid);
    });

    it('to push, with more references than are possible', async () => {
      const blobDigest = await blob();
      const referencesBlobs = Array.from({ length: 10_001 }, () => blobDigest);

      await assert.rejects(pushBlob({ blobDigest, referencesBlobs }), invalid);
    });
  });
});
