import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { needsProgram } from '../helpers/capabilities.js';
import { Fauxqs } from '../helpers/fauxqs.js';
import { PostgresServer } from '../helpers/postgres.js';
import { RedisServer } from '../helpers/redis-server.js';
import { repositoryRoot } from '../helpers/repository.js';

const secret = 'not-to-be-seen';

describe('Servers that share their storage', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let site: BgdSite;

  beforeEach(async () => {
    site = lifecycle.use(await BgdSite.create());
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  /** What one server takes another gives, and a third after both are gone. */
  async function assertShared(example: string, env: Readonly<Record<string, string>>): Promise<void> {
    const config = join(repositoryRoot, 'docs/examples', example);
    const [first, second] = [await site.serve([config], env), await site.serve([config], env)];
    const result = Buffer.from(reapi.ActionResult.encode({ executionMetadata: { worker: 'anybody' } }).finish());
    const contents = { result, large: randomBytes(20 * 1024 * 1024 + 7) };
    const digests = new Map<string, string>();
    for (const [name, bytes] of Object.entries(contents)) {
      await writeFile(site.path(name), bytes);
      digests.set(name, String(Digest.of(bytes)));
    }
    const upload = await run('cas', 'upload-file', '--remote', first.url, ...digests.keys());
    assert.deepEqual(upload.match(/[0-9a-f]{64}\/\d+/g), [...digests.values()]);
    const action = digests.get('large') ?? '';
    await run('action-cache', 'update', '--remote', first.url, action, digests.get('result') ?? '');

    for (const server of [first, second]) {
      for (const [name, digest] of digests) {
        await run('cas', 'download-file', '--remote', server.url, digest, `${name}.back`);
        assert.ok((await readFile(site.path(`${name}.back`))).equals(contents[name as keyof typeof contents]));
      }
      assert.match(await run('action-cache', 'get', '--remote', server.url, action), /^worker: anybody$/m);
    }
    for (const { process } of [first, second]) {
      process.kill('SIGTERM');
      const { code, stderr, stdout } = await process.ended;
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr + stdout, /NodeVersionSupportWarning|Warning:/);
      assert.ok(!(stderr + stdout).includes(secret));
    }
  }

  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await site.bgd(args).ended;
    assert.equal(code, 0, stderr);
    return stdout;
  }

  it('share S3 buckets, by docs/examples/s3.yml', async () => {
    const fauxqs = lifecycle.use(await Fauxqs.start());
    for (const bucket of ['cas', 'cas-results']) await fauxqs.createBucket(bucket);

    await assertShared('s3.yml', {
      BGD_S3_ENDPOINT: fauxqs.endpoint,
      BGD_S3_BUCKET: 'cas',
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: secret,
    });

    assert.equal((await fauxqs.objects('cas')).size, 2);
    assert.equal((await fauxqs.objects('cas-results')).size, 1);
  });

  it('share an indexed S3 bucket, by docs/examples/s3-indexed.yml', async () => {
    const fauxqs = lifecycle.use(await Fauxqs.start());
    await fauxqs.createBucket('cas');
    const database = await (await PostgresServer.shared()).createDatabase();

    await assertShared('s3-indexed.yml', {
      BGD_S3_ENDPOINT: fauxqs.endpoint,
      BGD_S3_BUCKET: 'cas',
      BGD_DATABASE: database.replace('bgd@', `bgd:${secret}@`),
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: secret,
    });

    assert.equal((await fauxqs.objects('cas')).size, 2);
  });

  it('share Redis, by docs/examples/redis.yml', async function () {
    needsProgram(this, 'redis-server', 'servers that share Redis');
    const redis = lifecycle.use(await RedisServer.start());

    await assertShared('redis.yml', { BGD_REDIS_HOST: '127.0.0.1', BGD_REDIS_PORT: String(redis.port) });
  });
});
