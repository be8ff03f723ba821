import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { type BgdProcess, startBot, startServer } from '../helpers/bgd-process.js';
import { isLong } from '../helpers/chance.js';
import { GrpcTap, type TappedCalls } from '../helpers/grpc-tap.js';
import { repositoryRoot } from '../helpers/repository.js';
import { TcpCutter } from '../helpers/tcp-cutter.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { Bazel, type BazelRun, bazel2, bazel4, needsBazel } from './bazel.js';

/** Bazel's own exit code when all was built and a test failed. */
const testsFailed = 3;

const failingTest = 'TestRunner bazel-out/k8-fastbuild/testlogs/checks/fails/';

function assertOnlyTheFailingTestFailed(run: BazelRun): void {
  assert.equal(run.exitCode, testsFailed, run.output);
  assert.match(run.output, /^\/\/checks:passes +(\(cached\) )?PASSED/m);
  assert.match(run.output, /^\/\/checks:fails +FAILED/m);
}

/** Its exit code when all was built and there was no test. */
const noTests = 4;

/** All hits, less the failing test, whose result is nowhere. */
function assertNothingElseRan(run: BazelRun): void {
  assertOnlyTheFailingTestFailed(run);
  assert.deepEqual(
    run.ran.filter((spawn) => !spawn.startsWith(failingTest)),
    [],
  );
  assert.ok(run.ran.length > 0, 'A failed test must not come from the cache');
}

/** What //made:chatty printed, as Bazel shows it. */
function chatter(run: BazelRun): number {
  return run.output.match(/^\d{15}$/gm)?.length ?? 0;
}

/** A server, and a tap that counts the calls of whoever goes through it. */
interface TappedServer extends AsyncDisposable {
  readonly process: BgdProcess;
  readonly directUrl: string;
  readonly tap: GrpcTap;
}

async function startTapped(folder: string, ...args: readonly string[]): Promise<TappedServer> {
  const lifecycle = new Lifecycle();
  await mkdir(folder, { recursive: true });
  const flags = ['--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data')];
  const { process, url } = await startServer([...args, ...flags], { home: folder });
  lifecycle.use(process);
  const tap = lifecycle.use(await GrpcTap.open(url));
  return { process, directUrl: url, tap, [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose]() };
}

function say(text: string): void {
  process.stdout.write(`      ${text}\n`);
}

/** A cache on disk, and nothing else. */
const cacheConfig = join(repositoryRoot, 'docs/examples/storage.yml');

for (const version of [bazel4, bazel2]) {
  describe(version.name, function () {
    this.timeout(180_000);
    const lifecycle = new Lifecycle();
    let folder: string;
    let bazel: Bazel;
    const caches = new Lifecycle();
    let cache: TappedServer;
    let first: { readonly run: BazelRun; readonly seen: TappedCalls };
    /** What was built here, before anything could come from elsewhere. */
    let expected: Map<string, string>;

    function buildHere(url: string, ...targets: readonly string[]): Promise<BazelRun> {
      return bazel.test('--spawn_strategy=local', `--remote_cache=${url}`, '--remote_timeout=20', ...targets);
    }

    before(async function () {
      needsBazel(this, version);
      folder = lifecycle.use(await temporaryDirectory()).path;
      bazel = lifecycle.use(await Bazel.create(join(folder, 'bazel'), version));
      cache = caches.use(await startTapped(join(folder, 'cache'), cacheConfig));
      first = { run: await buildHere(cache.tap.url, '//...'), seen: cache.tap.take() };
      expected = await bazel.built();
    });

    after(async () => {
      await caches[Symbol.asyncDispose]();
      await lifecycle[Symbol.asyncDispose]();
    });

    beforeEach(() => bazel.clean());

    describe('with a cache, by docs/examples/storage.yml', () => {
      it('finds nothing in an empty one, and fills it', () => {
        const { run, seen } = first;

        assertOnlyTheFailingTestFailed(run);
        assert.equal(run.processes.get('remote cache hit'), undefined, run.summary);
        assert.equal(seen.count('ActionCache/GetActionResult', Code.Ok), 0);
        assert.equal(seen.count('ActionCache/UpdateActionResult', Code.Ok), run.ran.length - 1);
        assert.ok(seen.bytesUp > 50_000_000, `${seen.bytesUp} bytes went up`);
        say(`${run.summary} ${seen.summary}`);
      });

      it('takes all of it from there after a clean, and writes nothing', async () => {
        const run = await buildHere(cache.tap.url, '//...');

        const seen = cache.tap.take();
        assertNothingElseRan(run);
        const hits = first.run.ran.length - run.ran.length;
        assert.equal(run.processes.get('remote cache hit'), hits, run.summary);
        assert.equal(seen.count('ActionCache/GetActionResult', Code.Ok), hits);
        assert.equal(seen.count('ActionCache/UpdateActionResult'), 0);
        assert.ok(seen.bytesDown > 50_000_000, `${seen.bytesDown} bytes came down`);
        assert.deepEqual(await bazel.built(), expected);
        assert.equal(chatter(run), 62_500);
        say(`${run.summary} ${seen.summary}`);
      });

      it('takes all of it from a server that was killed and started again', async () => {
        cache.process.kill('SIGKILL');
        await caches[Symbol.asyncDispose]();
        cache = caches.use(await startTapped(join(folder, 'cache'), cacheConfig));

        const run = await buildHere(cache.tap.url, '//...');

        const seen = cache.tap.take();
        assertNothingElseRan(run);
        assert.equal(seen.count('ActionCache/GetActionResult', Code.Ok), first.run.ran.length - run.ran.length);
        assert.equal(seen.count('ActionCache/UpdateActionResult'), 0);
        assert.deepEqual(await bazel.built(), expected);
      });

      it('builds right on a line that is cut every 1.5 s, into an empty cache and out of it', async () => {
        const targets = ['//made/...', '//app/...'];
        await using other = await startTapped(join(folder, 'cut'), cacheConfig);
        await using line = await TcpCutter.open(other.tap.url, 1_500);

        const filling = await buildHere(line.url, ...targets);
        const built = await bazel.built();
        const filled = other.tap.take();
        await bazel.clean();
        const reading = await buildHere(line.url, ...targets);
        const read = other.tap.take();

        assert.deepEqual(await bazel.built(), built);
        for (const [path, content] of built) assert.equal(content, expected.get(path), path);
        for (const run of [filling, reading]) assert.equal(run.exitCode, noTests, run.output);
        assert.ok(line.cuts > 0, 'The line was never cut');
        assert.equal(filled.count('ActionCache/GetActionResult', Code.Ok), 0);
        // What could not be sent between two cuts is built again: that may befall the 50 MB, and nothing small.
        assert.ok(read.count('ActionCache/GetActionResult', Code.Ok) >= filling.ran.length / 2, read.summary);
        say(`${line.cuts} cuts. ${filling.summary} ${filled.summary}. ${reading.summary} ${read.summary}`);
      });
    });

    describe('building through a server and two bots', () => {
      let server: TappedServer;
      const bots = new Lifecycle();
      let total: number;

      async function start(): Promise<void> {
        server = await startTapped(join(folder, 'execution'));
        for (const [name, slots] of Object.entries({ one: '1', two: '2' })) {
          const work = join(folder, `bot-${name}`);
          const bot = ['--remote', server.directUrl, '--work-dir', work, '--concurrency', slots];
          bots.use(await startBot(bot, { home: folder }));
        }
      }

      async function stop(): Promise<void> {
        await bots[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      }

      function buildThrough(url: string, ...args: readonly string[]): Promise<BazelRun> {
        const remote = ['--spawn_strategy=remote', '--remote_local_fallback=false', '--jobs=8'];
        return bazel.test(`--remote_executor=${url}`, ...remote, ...args, '//...');
      }

      function build(...args: readonly string[]): Promise<BazelRun> {
        return buildThrough(server.tap.url, ...args);
      }

      before(start);
      after(stop);

      it('gets every output, test result and the stdout of remote actions, byte for byte as from a local build', async () => {
        const run = await build();

        const seen = server.tap.take();
        total = run.ran.length;
        assertOnlyTheFailingTestFailed(run);
        assert.equal(run.processes.get('remote'), total, run.summary);
        assert.equal(run.processes.get('remote cache hit'), undefined, run.summary);
        assert.equal(seen.count('ActionCache/GetActionResult', Code.Ok), 0);
        assert.equal(seen.count('Execution/Execute', Code.Ok), total);
        assert.deepEqual(await bazel.built(), expected);
        assert.equal(chatter(run), 62_500);
        say(`${run.summary} ${seen.summary}`);
      });

      it('takes all of it from the cache after a restart, and runs only the failing test again', async () => {
        await stop();
        await start();

        const run = await build();

        const seen = server.tap.take();
        assertNothingElseRan(run);
        assert.equal(seen.count('ActionCache/GetActionResult', Code.Ok), total - run.ran.length);
        assert.equal(seen.count('Execution/Execute', Code.Ok), run.ran.length);
        assert.deepEqual(await bazel.built(), expected);
        assert.equal(chatter(run), 62_500);
        say(`${run.summary} ${seen.summary}`);
      });

      it('builds the same without downloading what nobody reads here', async () => {
        const run = await build('--remote_download_minimal', '--build_tag_filters=-links');

        const seen = server.tap.take();
        assertOnlyTheFailingTestFailed(run);
        assert.equal(existsSync(join(bazel.outputs, 'k8-fastbuild/bin/made/big.bin')), false);
        assert.ok(seen.bytesDown < 10_000_000, `${seen.bytesDown} bytes came down`);
        say(`${run.summary} ${seen.bytesDown} bytes down`);
      });

      it('rebuilds remotely from inputs that were never downloaded', async () => {
        await build('--remote_download_minimal', '--build_tag_filters=-links');
        await bazel.edit('app/main.cc', (source) => source.replace('100', '10'));

        const run = await build('--remote_download_toplevel', '--build_tag_filters=-links');

        assertOnlyTheFailingTestFailed(run);
        const compiled = run.ran.filter((spawn) => spawn.startsWith('CppCompile '));
        assert.equal(compiled.length, 2, run.ran.join('\n'));
        const count = await readFile(join(bazel.outputs, 'k8-fastbuild/bin/app/count.txt'), 'utf8');
        assert.equal(count, '168 primes below 1000\n');
      });

      if (!isLong) return;

      it('builds right on a line that is cut every 1.5 s', async () => {
        await using line = await TcpCutter.open(server.tap.url, 1_500);

        const run = await buildThrough(line.url, '--noremote_accept_cached');

        const seen = server.tap.take();
        assertOnlyTheFailingTestFailed(run);
        assert.ok(line.cuts > 0, 'The line was never cut');
        say(`${line.cuts} cuts. ${run.summary} ${seen.summary}`);
      });
    });
  });
}
