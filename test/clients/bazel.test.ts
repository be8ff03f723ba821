import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { startBot, startServer } from '../helpers/bgd-process.js';
import { needsProgram } from '../helpers/capabilities.js';
import { folderContents } from '../helpers/folder-contents.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { Bazel, type BazelRun } from './bazel.js';

/** Bazel's own exit code when all was built and a test failed. */
const testsFailed = 3;

const failingTest = 'TestRunner bazel-out/k8-fastbuild/testlogs/checks/fails/';

/** Links and lists of absolute paths into the output base. */
const notPortable = /\.runfiles(_manifest|\/)|_solib_/;

async function builtBy(bazel: Bazel): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const configuration of ['k8-fastbuild', 'host']) {
    const found = await folderContents(join(bazel.outputs, configuration, 'bin'));
    for (const [path, content] of found) {
      if (!notPortable.test(path)) contents.set(`${configuration}/${path}`, content);
    }
  }
  return contents;
}

function assertOnlyTheFailingTestFailed(run: BazelRun): void {
  assert.equal(run.exitCode, testsFailed, run.output);
  assert.match(run.output, /^\/\/checks:passes +(\(cached\) )?PASSED/m);
  assert.match(run.output, /^\/\/checks:fails +FAILED/m);
}

/** What //made:chatty printed, as Bazel shows it. */
function chatter(run: BazelRun): number {
  return run.output.match(/^\d{15}$/gm)?.length ?? 0;
}

describe('Bazel 4.2.3 building through a server and two bots', function () {
  this.timeout(180_000);
  const lifecycle = new Lifecycle();
  let bazel: Bazel;
  let expected: Map<string, string>;
  let remote: readonly string[];

  before(async function () {
    needsProgram(this, 'bazel', 'what a real Bazel builds through the server');
    const folder = lifecycle.use(await temporaryDirectory()).path;
    const server = await startServer(['--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data')], { home: folder });
    lifecycle.use(server.process);
    for (const [name, slots] of Object.entries({ one: '1', two: '2' })) {
      const bot = ['--remote', server.url, '--work-dir', join(folder, `bot-${name}`), '--concurrency', slots];
      lifecycle.use(await startBot(bot, { home: folder }));
    }
    remote = [
      `--remote_executor=${server.url}`,
      '--spawn_strategy=remote',
      '--remote_local_fallback=false',
      '--jobs=8',
    ];

    await mkdir(join(folder, 'local'));
    await using local = await Bazel.create(join(folder, 'local'));
    assertOnlyTheFailingTestFailed(await local.test('--spawn_strategy=local', '//...'));
    expected = await builtBy(local);

    await mkdir(join(folder, 'remote'));
    bazel = lifecycle.use(await Bazel.create(join(folder, 'remote')));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('gets every output, test result and the stdout of remote actions, byte for byte as from a local build', async () => {
    const run = await bazel.test(...remote, '//...');

    assertOnlyTheFailingTestFailed(run);
    assert.equal(run.processes.get('remote'), run.ran.length, run.summary);
    assert.equal(run.processes.get('remote cache hit'), undefined, run.summary);
    assert.deepEqual(await builtBy(bazel), expected);
    assert.equal(chatter(run), 62_500);
    process.stdout.write(`      ${run.summary}\n`);
  });

  it('takes all of it from the cache after a clean and runs only the failing test again', async () => {
    await bazel.clean();

    const run = await bazel.test(...remote, '//...');

    assertOnlyTheFailingTestFailed(run);
    assert.deepEqual(
      run.ran.filter((spawn) => !spawn.startsWith(failingTest)),
      [],
    );
    assert.ok(run.ran.length > 0, 'A failed test must not come from the cache');
    assert.deepEqual(await builtBy(bazel), expected);
    assert.equal(chatter(run), 62_500);
    process.stdout.write(`      ${run.summary}\n`);
  });

  it('builds the same without downloading what nobody reads here', async () => {
    await bazel.clean();

    const run = await bazel.test(...remote, '--remote_download_minimal', '--build_tag_filters=-links', '//...');

    assertOnlyTheFailingTestFailed(run);
    assert.equal(existsSync(join(bazel.outputs, 'k8-fastbuild/bin/made/big.bin')), false);
    process.stdout.write(`      ${run.summary}\n`);
  });

  it('rebuilds remotely from inputs that were never downloaded', async () => {
    await bazel.edit('app/main.cc', (source) => source.replace('100', '10'));

    const run = await bazel.test(...remote, '--remote_download_toplevel', '--build_tag_filters=-links', '//...');

    assertOnlyTheFailingTestFailed(run);
    const compiled = run.ran.filter((spawn) => spawn.startsWith('CppCompile '));
    assert.equal(compiled.length, 2, run.ran.join('\n'));
    const count = await readFile(join(bazel.outputs, 'k8-fastbuild/bin/app/count.txt'), 'utf8');
    assert.equal(count, '168 primes below 1000\n');
  });
});
