import assert from 'node:assert/strict';
import type { MethodDefinition } from '@grpc/grpc-js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Client } from '../../src/client/client.js';
import { openChannel } from '../../src/client/open-channel.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { serviceNames } from '../../src/proto/wire-names.js';
import { chunks } from '../helpers/chunks.js';
import { ConfigServer } from '../helpers/config-server.js';
import { hasCode } from '../helpers/has-code.js';

const action = Digest.of(Buffer.from('an action'));

const printing = (text: string, exitCode = 0): reapi.ActionResult =>
  reapi.ActionResult.create({ exitCode, stdoutRaw: Buffer.from(text) });

const hashOf = (text: string): string => Digest.of(Buffer.from(text)).hash;

describe('What callers may write to an action cache', () => {
  it('is each result once where !write-once-action-cache says so, by any of its instances', async () => {
    await using server = await ConfigServer.start(`
instances:
  - name: one
    storages: [!lru-storage &cas {size: 1M}]
    caches: [!action-cache &results {storage: *cas}]
    services:
      - !cas {storage: *cas}
      - !write-once-action-cache {action-cache: *results}
  - name: two
    services:
      - !cas {storage: *cas}
      - !write-once-action-cache {action-cache: *results}
`);
    await using one = await Client.connect({ url: server.url, instanceName: 'one' });
    await using two = await Client.connect({ url: server.url, instanceName: 'two' });

    const outcomes = await Promise.allSettled([
      one.actionCache.update(action, printing('first')),
      two.actionCache.update(action, printing('second')),
    ]);

    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    assert.equal(failures.length, 1);
    assert.ok(hasCode(Code.AlreadyExists)(failures[0]));
    const kept = outcomes[0].status === 'fulfilled' ? 'first' : 'second';
    assert.equal((await two.actionCache.get(action))?.stdoutDigest?.hash, hashOf(kept));
  });

  it('is no failure, unless cache-failed-actions says so (AC-8)', async () => {
    await using server = await ConfigServer.start(`
instances:
  - name: strict
    services:
      - !action-cache {storage: !lru-storage {size: 1M}}
  - name: lax
    services:
      - !action-cache {storage: !lru-storage {size: 1M}, cache-failed-actions: true}
`);
    await using strict = await Client.connect({ url: server.url, instanceName: 'strict' });
    await using lax = await Client.connect({ url: server.url, instanceName: 'lax' });

    await assert.rejects(strict.actionCache.update(action, printing('', 3)), hasCode(Code.FailedPrecondition));
    await lax.actionCache.update(action, printing('', 3));

    assert.equal(await strict.actionCache.get(action), undefined);
    assert.equal((await lax.actionCache.get(action))?.exitCode, 3);
  });
});

describe('What is refused over HTTP', () => {
  it('is a conflict that no client repeats', async () => {
    await using server = await ConfigServer.start(`
instances:
  - name: ''
    storages: [!lru-storage &cas {size: 1M}]
    caches: [!action-cache &results {storage: *cas}]
    services: [!cas {storage: *cas}]
server:
  - !channel {address: 127.0.0.1, port: 0}
  - !http-cache {address: 127.0.0.1, port: 0, storage: *cas, action-cache: !write-once-action-cache {action-cache: *results}}
`);
    const url = `${server.urls.find((each) => each.startsWith('http:'))}/ac/${action.hash}`;
    const put = async (result: reapi.ActionResult): Promise<number> =>
      (await fetch(url, { method: 'PUT', body: reapi.ActionResult.encode(result).finish() })).status;

    const answers = [await put(printing('', 3)), await put(printing('first')), await put(printing('second'))];

    assert.deepEqual(answers, [409, 201, 409]);
  });
});

describe('Admin calls', () => {
  const behind = (rights: string): Promise<ConfigServer> =>
    ConfigServer.start(`
instances:
  - name: behind
    ${rights}
    services:
      - !cas {storage: !lru-storage &cas {size: 1M}}
      - !action-cache {storage: *cas}
`);
  const front = (url: string): Promise<ConfigServer> =>
    ConfigServer.start(`
instances:
  - name: front
    admin: true
    services:
      - !cas {storage: !remote-storage {url: '${url}', instance-name: behind}}
      - !remote-action-cache {url: '${url}', instance-name: behind}
`);

  it('go through to the server that has the data', async () => {
    await using store = await behind('admin: true');
    await using gate = await front(store.url);
    await using client = await Client.connect({ url: gate.url, instanceName: 'front' });
    await using direct = await Client.connect({ url: store.url, instanceName: 'behind' });
    await direct.actionCache.update(action, printing('poison'));

    const { type, place, blobs, sizeBytes } = await client.admin.casStats();
    assert.deepEqual([type, place, blobs, sizeBytes], ['remote-storage', `${store.url} behind`, 1, 6]);
    assert.equal(await client.admin.deleteActionResult(action), true);
    assert.equal(await client.admin.deleteActionResult(action), false);
    assert.equal(await direct.actionCache.get(action), undefined);
  });

  it('are refused where that server does not allow them, which stats tell of', async () => {
    await using store = await behind('description: no rights');
    await using gate = await front(store.url);
    await using client = await Client.connect({ url: gate.url, instanceName: 'front' });

    await assert.rejects(client.admin.deleteActionResult(action), hasCode(Code.PermissionDenied));
    const { type, trouble } = await client.admin.casStats();
    assert.equal(type, 'remote-storage');
    assert.match(trouble ?? '', /Admin calls are not allowed for instance "behind"/);
  });
});

describe('A read-only instance', () => {
  const text = `
instances:
  - name: writers
    storages: [!lru-storage &cas {size: 1M}]
    caches: [!action-cache &results {storage: *cas}]
    services: [!cas {storage: *cas}, !bytestream {storage: *cas}, *results]
  - name: readers
    read-only: true
    services: [!cas {storage: *cas}, !bytestream {storage: *cas}, *results]
server:
  - !channel {address: 127.0.0.1, port: 0}
  - !http-cache {address: 127.0.0.1, port: 0, storage: *cas, action-cache: *results, read-only: true}
`;
  const blob = Digest.of(Buffer.from('blob'));
  const isDenied = (reason: unknown): boolean => {
    assert.match(String(reason), /read-only: nothing can be stored/);
    return hasCode(Code.PermissionDenied)(reason);
  };
  let server: ConfigServer;
  let writers: Client;
  let readers: Client;

  before(async () => {
    server = await ConfigServer.start(text);
    writers = await Client.connect({ url: server.url, instanceName: 'writers' });
    readers = await Client.connect({ url: server.url, instanceName: 'readers' });
    await writers.blobs.write(blob, chunks('blob'));
    await writers.actionCache.update(action, printing('output'));
  });

  after(async () => {
    await writers[Symbol.asyncDispose]();
    await readers[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it('answers what others have stored', async () => {
    assert.deepEqual(await readers.blobs.findMissing([blob]), []);
    assert.equal(String(await readBlob(readers.blobs, blob)), 'blob');
    assert.equal((await readers.actionCache.get(action))?.stdoutDigest?.hash, hashOf('output'));
  });

  it('takes no blob, streamed or in a batch, also none that is there (BS-13, CAS-5)', async () => {
    const other = Buffer.from('other');

    await assert.rejects(readers.blobs.write(Digest.of(other), chunks('other')), isDenied);
    await assert.rejects(readers.blobs.write(blob, chunks('blob')), isDenied);
    const [outcome] = await readers.blobs.writeBatch([{ digest: Digest.of(other), data: other }]);
    assert.ok(isDenied(outcome));

    assert.equal((await writers.blobs.findMissing([Digest.of(other)])).length, 1);
  });

  it('splits and splices no blobs, which would store some (CAS-13)', async () => {
    using channel = await openChannel({ url: server.url });
    const request = { instanceName: 'readers', blobDigest: blob.toProto() };
    const call = (name: string): Promise<object> =>
      channel.unary(() => serviceDefinition(serviceNames.cas)[name] as MethodDefinition<object, object>, request);

    await assert.rejects(call('splitBlob'), isDenied);
    await assert.rejects(call('spliceBlob'), isDenied);
  });

  it('takes no result (AC-5)', async () => {
    await assert.rejects(readers.actionCache.update(action, printing('poison')), isDenied);

    assert.equal((await writers.actionCache.get(action))?.stdoutDigest?.hash, hashOf('output'));
  });

  it('announces that it takes nothing (CAP-1)', async () => {
    const { cacheCapabilities: cache } = await readers.capabilities.get();

    assert.ok(cache);
    assert.equal(cache.actionCacheUpdateCapabilities?.updateEnabled ?? false, false);
    assert.deepEqual([cache.splitBlobSupport, cache.spliceBlobSupport].filter(Boolean), []);
    assert.equal(
      (await writers.capabilities.get()).cacheCapabilities?.actionCacheUpdateCapabilities?.updateEnabled,
      true,
    );
  });

  it('has its like over HTTP', async () => {
    const base = server.urls.find((url) => url.startsWith('http:'));
    const put = (path: string, body: string): Promise<Response> => fetch(`${base}/${path}`, { method: 'PUT', body });

    const answers = [await put(`cas/${hashOf('x')}`, 'x'), await put(`ac/${action.hash}`, ''), await put('key', 'v')];

    assert.deepEqual(
      answers.map(({ status }) => status),
      [403, 403, 403],
    );
  });
});
