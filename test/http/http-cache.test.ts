import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { once } from 'node:events';
import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Digest } from '../../src/digest/digest.js';
import { HttpCache, type HttpCacheOptions } from '../../src/http/http-cache.js';
import { HttpServer } from '../../src/http/http-server.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { FailingBlobStore } from '../helpers/failing-blob-store.js';
import { RecordingLogger } from '../helpers/recording-logger.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';

describe('HttpCache', () => {
  const data = Buffer.from('a blob');
  const digest = Digest.of(data);
  const actionHash = Digest.of(Buffer.from('an action')).hash;
  let inner: FailingBlobStore;
  let blobs: VerifyingBlobStore;
  let server: HttpServer;

  async function serve(options: Partial<HttpCacheOptions> = {}): Promise<void> {
    inner = new FailingBlobStore(new MemoryBlobStore());
    blobs = new VerifyingBlobStore(inner);
    const keys = new MemoryKeyedStore();
    const cache = new HttpCache({
      blobs,
      keys,
      actionCache: new CompletenessCheckingActionCache(new KeyedActionCache(keys), blobs),
      allowsUpdates: true,
      allowsResultUpdates: true,
      maxValueBytes: 1_000_000,
      ...options,
    });
    const handler = cache.handle.bind(cache);
    server = await HttpServer.listen({ hosts: ['127.0.0.1'], port: 0, handler, logger: new RecordingLogger() });
  }

  beforeEach(() => serve());
  afterEach(() => server[Symbol.asyncDispose]());

  async function call(method: string, path: string, body?: Uint8Array | string): Promise<Response> {
    return fetch(server.url + path, { method, ...(body !== undefined && { body }) });
  }

  async function statusOf(method: string, path: string, body?: Uint8Array | string): Promise<number> {
    const response = await call(method, path, body);
    await response.arrayBuffer();
    return response.status;
  }

  /** Sends a body without saying how long it is. */
  async function putChunked(path: string, chunks: readonly Uint8Array[]): Promise<number> {
    const sent = httpRequest(server.url + path, { method: 'PUT' });
    for (const chunk of chunks) sent.write(chunk);
    sent.end();
    const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume: () => void }];
    response.resume();
    return response.statusCode;
  }

  it('says that it is healthy', async () => {
    assert.equal(await (await call('GET', '/healthz')).text(), 'ok\n');
  });

  describe('under /cas', () => {
    it('gives what was put there, and the store has it too', async () => {
      assert.equal(await statusOf('GET', `/cas/${digest.hash}`), 404);
      assert.equal(await statusOf('PUT', `/cas/${digest.hash}`, data), 201);

      assert.equal(await (await call('GET', `/cas/${digest.hash}`)).text(), 'a blob');
      assert.equal(await (await call('GET', `/any/instance/cas/${digest.hash}`)).text(), 'a blob');
      assert.equal(String(await readBlob(blobs, digest)), 'a blob');
    });

    it('tells the size to HEAD', async () => {
      await statusOf('PUT', `/cas/${digest.hash}`, data);

      const response = await call('HEAD', `/cas/${digest.hash}`);

      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-length'), '6');
      assert.equal(await statusOf('HEAD', `/cas/${'0'.repeat(64)}`), 404);
    });

    it('refuses what does not hash to its name (D2)', async () => {
      assert.equal(await statusOf('PUT', `/cas/${digest.hash}`, 'b blob'), 400);
      assert.equal(await putChunked(`/cas/${digest.hash}`, [Buffer.from('longer than it is')]), 400);

      assert.equal(await statusOf('GET', `/cas/${digest.hash}`), 404);
    });

    it('takes a blob whose size the client does not announce', async () => {
      assert.equal(await putChunked(`/cas/${digest.hash}`, [data.subarray(0, 2), data.subarray(2)]), 201);

      assert.equal(await (await call('GET', `/cas/${digest.hash}`)).text(), 'a blob');
    });

    it('streams megabytes both ways, more than a value may have', async () => {
      const large = patternedBytes(20 * 1024 * 1024);
      const path = `/cas/${Digest.of(large).hash}`;

      assert.equal(await statusOf('PUT', path, large), 201);

      assert.ok(large.equals(Buffer.from(await (await call('GET', path)).arrayBuffer())));
    });

    it('takes a blob that is there already, on a connection that goes on', async () => {
      const large = patternedBytes(20 * 1024 * 1024);
      const path = `/cas/${Digest.of(large).hash}`;
      await statusOf('PUT', path, large);

      const response = await call('PUT', path, large);

      assert.equal(response.status, 201);
      assert.notEqual(response.headers.get('connection'), 'close');
    });

    it('has the empty blob', async () => {
      const { hash } = Digest.empty();

      assert.equal(await statusOf('GET', `/cas/${hash}`), 200);
      assert.equal(await statusOf('PUT', `/cas/${hash}`, ''), 201);
    });

    it('keeps nothing of an upload that breaks off (D3)', async () => {
      const sent = httpRequest(`${server.url}/cas/${digest.hash}`, { method: 'PUT', headers: { 'content-length': 6 } });
      sent.on('error', () => undefined);
      sent.write('a b');
      await once(sent, 'socket');
      await new Promise<void>((resolve) => sent.write('lo', () => resolve()));
      sent.destroy();

      assert.equal(await statusOf('GET', `/cas/${digest.hash}`), 404);
    });

    it('tells of a store that is down with 503', async () => {
      inner.isDown = true;

      assert.equal(await statusOf('PUT', `/cas/${digest.hash}`, data), 503);
    });
  });

  describe('under /ac', () => {
    const result = reapi.ActionResult.encode({ outputFiles: [{ path: 'out', digest: digest.toProto() }] }).finish();

    it('gives a result while all its outputs are there (AC-2)', async () => {
      assert.equal(await statusOf('PUT', `/ac/${actionHash}`, result), 201);
      assert.equal(await statusOf('GET', `/ac/${actionHash}`), 404);

      await statusOf('PUT', `/cas/${digest.hash}`, data);
      await statusOf('PUT', `/ac/${actionHash}`, result);

      const response = await call('GET', `/ac/${actionHash}`);
      const found = reapi.ActionResult.decode(new Uint8Array(await response.arrayBuffer()));
      assert.equal(found.outputFiles[0]?.path, 'out');
      assert.equal(await statusOf('HEAD', `/ac/${actionHash}`), 200);
    });

    it('keeps the results of one prefix from another', async () => {
      await statusOf('PUT', `/cas/${digest.hash}`, data);
      await statusOf('PUT', `/one/ac/${actionHash}`, result);

      assert.equal(await statusOf('GET', `/one/ac/${actionHash}`), 200);
      assert.equal(await statusOf('GET', `/other/ac/${actionHash}`), 404);
      assert.equal(await statusOf('GET', `/ac/${actionHash}`), 404);
    });

    it('refuses what is no ActionResult, or names no digest', async () => {
      const nameless = reapi.ActionResult.encode({ outputFiles: [{ path: 'out' }] }).finish();

      assert.equal(await statusOf('PUT', `/ac/${actionHash}`, 'no message'), 400);
      assert.equal(await statusOf('PUT', `/ac/${actionHash}`, nameless), 400);
    });

    it('takes none where updates are not allowed, but blobs', async () => {
      await server[Symbol.asyncDispose]();
      await serve({ allowsResultUpdates: false });

      assert.equal(await statusOf('PUT', `/ac/${actionHash}`, result), 403);
      assert.equal(await statusOf('PUT', `/cas/${digest.hash}`, data), 201);
    });

    it('does not mistake a path of ccache for one of Bazel', async () => {
      assert.equal(await statusOf('PUT', '/ac/d36hd2ntk7je6qee9aovchc3ru05j1g', 'opaque'), 201);
    });
  });

  describe('under other paths', () => {
    it('keeps values under keys that tools choose, and the last one wins', async () => {
      assert.equal(await statusOf('GET', '/cache/0123'), 404);

      assert.equal(await statusOf('PUT', '/cache/0123', 'one'), 201);
      assert.equal(await statusOf('PUT', '/cache/0123', 'two'), 201);

      assert.equal(await (await call('GET', '/cache/0123')).text(), 'two');
      assert.equal((await call('HEAD', '/cache/0123')).headers.get('content-length'), '3');
      assert.equal(await statusOf('GET', '/cache/01234'), 404);
    });

    it('keeps an empty value', async () => {
      await statusOf('PUT', '/cache/empty', '');

      assert.equal(await (await call('GET', '/cache/empty')).text(), '');
    });

    it('forgets a deleted value', async () => {
      await statusOf('PUT', '/cache/0123', 'one');

      assert.equal(await statusOf('DELETE', '/cache/0123'), 204);

      assert.equal(await statusOf('GET', '/cache/0123'), 404);
    });

    it('has lost a value whose bytes the store has dropped', async () => {
      await statusOf('PUT', '/cache/0123', data);
      await blobs.delete([digest]);

      assert.equal(await statusOf('GET', '/cache/0123'), 404);
    });

    it('refuses a value that is too large with 413, announced or not (U4)', async () => {
      const large = patternedBytes(1_000_001);

      assert.equal(await statusOf('PUT', '/cache/0123', large), 413);
      assert.equal(await putChunked('/cache/0123', [large]), 413);

      assert.equal(await statusOf('GET', '/cache/0123'), 404);
    });

    it('takes and deletes none where updates are not allowed', async () => {
      await server[Symbol.asyncDispose]();
      await serve({ allowsUpdates: false });

      assert.equal(await statusOf('PUT', '/cache/0123', 'one'), 403);
      assert.equal(await statusOf('DELETE', '/cache/0123'), 403);
    });

    it('refuses paths that lead elsewhere (S1)', async () => {
      const sent = httpRequest(server.url, { path: '/../../etc/passwd' });
      sent.end();
      const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume: () => void }];
      response.resume();

      assert.equal(response.statusCode, 400);
    });
  });

  describe('as WebDAV', () => {
    it('has every folder, and tells the size of a value', async () => {
      await statusOf('PUT', '/dav/a/b', 'four');

      assert.equal(await statusOf('MKCOL', '/dav/a/'), 201);
      assert.match(await (await call('PROPFIND', '/dav/a/')).text(), /<D:collection\/>/);
      const value = await call('PROPFIND', '/dav/a/b');
      assert.equal(value.status, 207);
      assert.match(await value.text(), /<D:href>\/dav\/a\/b<\/D:href>.*<D:getcontentlength>4</);
      assert.equal(await statusOf('PROPFIND', '/dav/a/c'), 404);
    });

    it('says what it can do', async () => {
      const response = await call('OPTIONS', '/');

      assert.match(response.headers.get('allow') ?? '', /PROPFIND/);
      assert.equal(await statusOf('POST', '/dav/a', 'x'), 405);
    });
  });
});
