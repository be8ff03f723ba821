import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpawnedCommand } from '../../scripts/spawned-command.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { needsProgram } from '../helpers/capabilities.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { type HttpCacheServer, startHttpCache } from './http-cache-server.js';
import { HttpLine } from './http-line.js';

// Debian builds sccache without any remote storage, and npm has none. So this sends what sccache's WebDAV storage sends,
// request by request, and a WebDAV client that Debian has shows that the server is no mere match for that.

const allProperties = '<?xml version="1.0" encoding="utf-8" ?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>';

/** As sccache keeps a key: its first three digits are folders. */
function pathOf(key: string): string {
  return key.replace(/^(.)(.)(.)/, '$1/$2/$3/$&');
}

/** What a server process of sccache asks of its storage, and how it takes the answers. */
class SccacheStorage implements Disposable {
  hits = 0;
  misses = 0;
  readonly #line: HttpLine;
  readonly #root: string;

  constructor(url: string, root: string) {
    this.#line = new HttpLine(url, { 'user-agent': 'sccache/0.15.0', accept: '*/*' });
    this.#root = root;
  }

  get connections(): number {
    return this.#line.connections;
  }

  /** What it does first. A storage that fails here is only read, or not used at all, and no user is told. */
  async check(): Promise<void> {
    const found = await this.#line.send('GET', `${this.#root}.sccache_check`);
    assert.ok([200, 404].includes(found.status), `A first read is answered ${found.status}`);
    await this.#write('.sccache_check', Buffer.from('Hello, World!'));
  }

  /** The entry of a key, or `undefined`. */
  async get(key: string): Promise<Buffer | undefined> {
    const { status, body } = await this.#line.send('GET', this.#root + pathOf(key));
    if (status === 404) this.misses += 1;
    else this.hits += 1;
    assert.ok(status === 200 || status === 404, String(status));
    return status === 200 ? body : undefined;
  }

  put(key: string, entry: Buffer): Promise<void> {
    return this.#write(pathOf(key), entry);
  }

  [Symbol.dispose](): void {
    this.#line[Symbol.dispose]();
  }

  /** Makes the folders that are not there, then the entry. */
  async #write(path: string, entry: Buffer): Promise<void> {
    const absent: string[] = [];
    let folder = this.#root + path.slice(0, path.lastIndexOf('/') + 1);
    for (
      ;
      folder !== '/' && !(await this.#isFolder(folder));
      folder = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1)
    ) {
      absent.unshift(folder);
    }
    for (const each of absent) assert.equal((await this.#line.send('MKCOL', each)).status, 201, each);
    const { status } = await this.#line.send('PUT', this.#root + path, {}, entry);
    assert.ok([200, 201, 204].includes(status), `A write is answered ${status}`);
  }

  async #isFolder(path: string): Promise<boolean> {
    const headers = { 'content-type': 'application/xml', depth: '0' };
    const { status, body } = await this.#line.send('PROPFIND', path, headers, allProperties);
    if (status === 404) return false;
    assert.equal(status, 207);
    const xml = String(body);
    // It wants each of these, and takes an answer without one of them for a failure.
    assert.match(xml, /<D:href>\S+<\/D:href>/);
    assert.match(xml, /<D:status>HTTP\/1\.1 200 OK<\/D:status>/);
    assert.match(xml, /<D:resourcetype><D:collection\/><\/D:resourcetype>/);
    assert.ok(!Number.isNaN(Date.parse(/<D:getlastmodified>(.*)<\/D:getlastmodified>/.exec(xml)?.[1] ?? '')));
    return true;
  }
}

describe('The WebDAV requests of sccache to an HTTP cache', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  const entries = new Map(
    [1_000, 300_000, 8_000_000].map((size) => [randomBytes(32).toString('hex'), randomBytes(size)]),
  );
  let folder: string;

  before(async () => {
    folder = lifecycle.use(await temporaryDirectory()).path;
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('find a storage that can be written, miss, and fill it', async () => {
    await using server = await startHttpCache(folder);
    using storage = new SccacheStorage(server.url, '/sccache/');

    await storage.check();
    for (const [key, entry] of entries) {
      assert.equal(await storage.get(key), undefined);
      await storage.put(key, entry);
    }

    assert.deepEqual([storage.hits, storage.misses], [0, entries.size]);
    assert.equal(storage.connections, 1);
  });

  it('hit after a restart of both, with the same bytes, and only below their own prefix', async () => {
    await using server = await startHttpCache(folder);
    using storage = new SccacheStorage(server.url, '/sccache/');
    using other = new SccacheStorage(server.url, '/');

    await storage.check();
    await other.check();
    for (const [key, entry] of entries) {
      assert.ok((await storage.get(key))?.equals(entry));
      assert.equal(await other.get(key), undefined);
    }

    assert.deepEqual([storage.hits, storage.misses], [entries.size, 0]);
    assert.deepEqual([other.hits, other.misses], [0, entries.size]);
  });
});

describe('cadaver, a WebDAV client, with an HTTP cache', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let folder: string;
  let server: HttpCacheServer;

  before(async function () {
    needsProgram(this, 'cadaver', 'what a real WebDAV client makes of the HTTP cache');
    folder = lifecycle.use(await temporaryDirectory()).path;
    server = lifecycle.use(await startHttpCache(folder));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('makes a folder, puts, gets and deletes there, and is told what is absent', async () => {
    const content = randomBytes(500_000);
    await writeFile(join(folder, 'up'), content);
    await writeFile(
      join(folder, 'commands'),
      ['mkcol a', 'cd a', 'put up entry', 'get entry down', 'delete entry', 'get entry gone', 'quit', ''].join('\n'),
    );

    const command = `cadaver ${server.url}/sccache/ < commands`;
    const cadaver = new SpawnedCommand(['sh', '-c', command], {
      cwd: folder,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder },
    });

    assert.equal(await cadaver.ended, 0, cadaver.stderr);
    assert.equal(cadaver.stdout.match(/succeeded\./g)?.length, 4, cadaver.stdout);
    assert.equal(cadaver.stdout.match(/404 Not Found/g)?.length, 1, cadaver.stdout);
    assert.ok((await readFile(join(folder, 'down'))).equals(content));
  });
});
