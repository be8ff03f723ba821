import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { Deployment } from '../helpers/deployment.js';
import { GrpcTap } from '../helpers/grpc-tap.js';
import { folderContents } from '../helpers/folder-contents.js';

/** More than goes into a part of an S3 upload, or into a chunk of Redis. */
const largeBytes = 20 * 1024 * 1024 + 7;

const smallFiles = 120;

/** Of a folder: its distinct files, and its Directory messages. */
const folderBlobs = smallFiles + 1 + 3;

/** The exit code of `bgd` for what is not there. */
const notFound = 3;

for (const name of [
  's3.yml',
  's3-cached.yml',
  's3-indexed.yml',
  'redis.yml',
  'proxy.yml',
  'sharded.yml',
  'mirrored.yml',
]) {
  describe(`bgd cas and bgd action-cache with docs/examples/${name}`, function () {
    this.timeout(60_000);
    const lifecycle = new Lifecycle();
    let deployment: Deployment;
    let root: string;
    let large: string;
    let result: string;

    before(async function () {
      deployment = lifecycle.use(await Deployment.start(this, name));
      const { site } = deployment;
      for (let index = 0; index < smallFiles; index += 1) {
        await site.write(`tree/${index % 2 === 0 ? 'even' : 'odd'}/${index}.txt`, `file ${index} of ${name}\n`);
      }
      await site.write('tree/even/tool.sh', '#!/bin/sh\n');
      await chmod(site.path('tree/even/tool.sh'), 0o755);
      await symlink('even/0.txt', site.path('tree/link'));
      await site.write('large', randomBytes(largeBytes).toString('hex').slice(0, largeBytes));
      const { hash, sizeBytes } = Digest.of(await readFile(site.path('large')));
      const outputFiles = [{ path: 'made/large', digest: { hash, sizeBytes } }];
      await writeFile(site.path('result'), reapi.ActionResult.encode({ outputFiles }).finish());
    });

    after(() => lifecycle[Symbol.asyncDispose]());

    it('takes a folder, and a large file and a small one, and prints their digests', async () => {
      root = (await deployment.run('cas', 'upload-dir', 'tree')).trim();
      const printed = await deployment.run('cas', 'upload-file', 'large', 'result');

      const digests = await Promise.all(['large', 'result'].map((file) => digestOf(deployment, file)));
      assert.deepEqual(printed.trim().split('\n'), digests);
      [large, result] = digests as [string, string];
      assert.match(root, /^[0-9a-f]{64}\/\d+$/);
    });

    it('takes a result for an action, and misses where there is none', async () => {
      const miss = await deployment.tryRun('action-cache', 'get', large);
      await deployment.run('action-cache', 'update', large, result);

      assert.equal(miss.code, notFound, miss.stderr);
      assert.match(await deployment.run('action-cache', 'get', large), /made\/large/);
    });

    it('gives all of it back after a restart', async () => {
      await deployment.restart();
      const { site } = deployment;

      await deployment.run('cas', 'download-dir', root, 'tree.back');
      await deployment.run('cas', 'download-file', large, 'large.back');

      assert.deepEqual(await folderContents(site.path('tree.back')), await folderContents(site.path('tree')));
      assert.equal((await stat(site.path('tree.back/even/tool.sh'))).mode & 0o111, 0o111);
      assert.equal(await digestOf(deployment, 'large.back'), large);
      assert.match(await deployment.run('action-cache', 'get', large), /made\/large/);
    });

    it('sends nothing again that is there', async () => {
      await using tap = await GrpcTap.open(deployment.casUrl);
      const upload = deployment.site.bgd(['cas', 'upload-dir', 'tree'], { BGD_REMOTE: tap.url });

      assert.equal((await upload.ended).stdout.trim(), root);

      const seen = tap.take();
      assert.equal(seen.count('ContentAddressableStorage/FindMissingBlobs', Code.Ok), 1, seen.summary);
      assert.equal(seen.count('ContentAddressableStorage/BatchUpdateBlobs') + seen.count('ByteStream/Write'), 0);
    });

    if (name !== 's3.yml' && name !== 's3-cached.yml') return;

    it('has in the bucket each blob once, by hash and size, and the result in a bucket of its own', async () => {
      const objects = await deployment.s3.objects('cas');

      assert.equal(objects.size, folderBlobs + 2);
      for (const [key, size] of objects) assert.match(key, new RegExp(`^[0-9a-f]{64}_${size}$`));
      assert.ok(objects.has(large.replace('/', '_')));
      assert.equal((await deployment.s3.objects('cas-results')).size, 1);
    });
  });
}

async function digestOf(deployment: Deployment, file: string): Promise<string> {
  return String(Digest.of(await readFile(deployment.site.path(file))));
}
