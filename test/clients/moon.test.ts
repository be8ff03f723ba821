import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { type BgdProcess, startServer } from '../helpers/bgd-process.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { GrpcTap, type TappedCalls } from '../helpers/grpc-tap.js';
import { repositoryRoot } from '../helpers/repository.js';
import { MoonClone, type MoonRun, needsMoon } from './moon.js';

const tasks = 3;

/** The bytes that its tasks make, about. */
const madeBytes = 9_600_000;

for (const compression of ['none', 'zstd'] as const) {
  describe(`moon with a remote cache and compression ${compression}`, function () {
    this.timeout(60_000);
    const lifecycle = new Lifecycle();
    let site: BgdSite;
    let server: BgdProcess;
    let tap: GrpcTap;
    let first: MoonClone;

    async function start(): Promise<void> {
      const config = join(repositoryRoot, 'docs/examples/storage.yml');
      const flags = ['--listen', '127.0.0.1:0', '--data-dir', site.path('data')];
      const { process, url } = await startServer([config, ...flags], { home: site.home });
      server = lifecycle.use(process);
      tap = lifecycle.use(await GrpcTap.open(url));
    }

    /** All tasks in a fresh clone. */
    async function buildIn(name: string): Promise<{ clone: MoonClone; run: MoonRun; seen: TappedCalls }> {
      const clone = await MoonClone.create(site.path(name), site.home);
      const run = await clone.run({ url: tap.url, compression, instanceName: '' });
      const seen = tap.take();
      assert.deepEqual(run.warnings, []);
      assert.match(run.output, /This is said\./);
      process.stdout.write(`      ${seen.summary}; ${seen.bytesUp} bytes up, ${seen.bytesDown} down\n`);
      return { clone, run, seen };
    }

    before(async function () {
      needsMoon(this);
      site = lifecycle.use(await BgdSite.create());
      await start();
    });

    after(() => lifecycle[Symbol.asyncDispose]());

    it('finds nothing in an empty cache, and fills it', async () => {
      const { clone, run, seen } = await buildIn('first');

      first = clone;
      assert.equal(run.cachedFromRemote, 0, run.output);
      assert.equal(seen.count('ActionCache/GetActionResult', Code.NotFound), tasks);
      assert.equal(seen.count('ActionCache/UpdateActionResult', Code.Ok), tasks);
      assert.equal(seen.count('ByteStream/Write', Code.Ok), 1);
      assert.equal(seen.bytesUp > madeBytes, compression === 'none', `${seen.bytesUp} bytes went up`);
    });

    it('takes all of it from there in another clone, from a server that was killed meanwhile', async () => {
      server.kill('SIGKILL');
      await server.ended;
      await start();

      const { clone, run, seen } = await buildIn('second');

      assert.equal(run.cachedFromRemote, tasks, run.output);
      assert.equal(seen.count('ActionCache/GetActionResult', Code.Ok), tasks);
      assert.equal(seen.count('ActionCache/UpdateActionResult'), 0);
      assert.equal(seen.count('ByteStream/Write') + seen.count('ContentAddressableStorage/BatchUpdateBlobs'), 0);
      assert.equal(seen.bytesDown > madeBytes, compression === 'none', `${seen.bytesDown} bytes came down`);
      assert.deepEqual(await clone.built(), await first.built());
    });

    it('keeps results under digests of manifests, which are no Actions and are kept as they are', async () => {
      const remote = ['--remote', tap.url];
      let results = 0;

      for (const [index, file] of (await first.manifests()).entries()) {
        const manifest = await readFile(file);
        const digest = `${basename(file, '.json')}/${manifest.length}`;
        const found = await site.bgd(['action-cache', 'get', ...remote, digest]).ended;
        if (found.code === notFound) continue;
        results += 1;
        assert.equal(found.code, 0, found.stderr);
        const { code, stderr } = await site.bgd(['cas', 'download-file', ...remote, digest, `${index}.json`]).ended;
        assert.equal(code, 0, stderr);
        assert.ok((await readFile(site.path(`${index}.json`))).equals(manifest));
      }

      assert.equal(results, tasks);
    });
  });
}

/** The exit code of `bgd` for what is not there. */
const notFound = 3;
