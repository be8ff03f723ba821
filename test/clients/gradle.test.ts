import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { startHttpCache } from './http-cache-server.js';
import { HttpLine } from './http-line.js';

// No registry at hand has Gradle, so this sends what its HTTP build cache sends.

const artifact = 'application/vnd.gradle.build-cache-artifact.v1';

const maxBytes = 2 * 1024 * 1024;

/** As Gradle names the outputs of a task. */
function newKey(): string {
  return randomBytes(16).toString('hex');
}

function connect(url: string): HttpLine {
  return new HttpLine(url, { 'x-gradle-version': '8.10.2', 'user-agent': 'Gradle/8.10.2' });
}

describe("The requests of Gradle's build cache to an HTTP cache", function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  const entries = new Map([10, 60_000, maxBytes].map((size) => [newKey(), randomBytes(size)]));
  let folder: string;

  before(async () => {
    folder = lifecycle.use(await temporaryDirectory()).path;
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('miss with 404, and store with a success', async () => {
    await using server = await startHttpCache(folder, '2M');
    using line = connect(server.url);

    for (const [key, entry] of entries) {
      assert.equal((await line.send('GET', `/cache/${key}`, { accept: `${artifact}, */*` })).status, 404);
      const stored = await line.send('PUT', `/cache/${key}`, { 'content-type': artifact }, entry);
      assert.equal(stored.status, 201);
    }

    assert.equal(line.connections, 1);
  });

  it('hit after a restart of the server, with the same bytes', async () => {
    await using server = await startHttpCache(folder, '2M');
    using line = connect(server.url);

    for (const [key, entry] of entries) {
      const { status, body } = await line.send('GET', `/cache/${key}`, { accept: `${artifact}, */*` });
      assert.equal(status, 200);
      assert.ok(body.equals(entry));
      assert.equal((await line.send('HEAD', `/cache/${key}`)).status, 200);
    }
  });

  it('are told by 413 of what is too large, for any other refusal ends the use of the cache, and go on', async () => {
    await using server = await startHttpCache(folder, '2M');
    using line = connect(server.url);
    const [key, tooLarge] = [newKey(), randomBytes(maxBytes + 1)];

    const refused = await line.send('PUT', `/cache/${key}`, { 'content-type': artifact }, tooLarge);
    const expecting = { 'content-type': artifact, expect: '100-continue' };
    const waited = await line.send('PUT', `/cache/${key}`, expecting, Buffer.from('small enough'));

    assert.equal(refused.status, 413);
    assert.deepEqual([waited.status, waited.isContinued], [201, true]);
    assert.equal(String((await line.send('GET', `/cache/${key}`)).body), 'small enough');
  });
});
