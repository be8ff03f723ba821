import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { needsProgram } from '../helpers/capabilities.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { Bazel, bazel4 } from './bazel.js';
import { startHttpCache } from './http-cache-server.js';

/** The one test that fails: its result is never cached. */
const failing = 'TestRunner ';

describe('Bazel 4.2.3 with an HTTP cache', function () {
  this.timeout(180_000);
  const lifecycle = new Lifecycle();
  let folder: string;
  let url: string;

  before(async function () {
    needsProgram(this, 'bazel', 'what a real Bazel keeps in the HTTP cache');
    folder = lifecycle.use(await temporaryDirectory()).path;
    ({ url } = lifecycle.use(await startHttpCache(folder)));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  async function build(
    bazel: Bazel,
    prefix: string,
  ): Promise<{ ran: readonly string[]; hits: number; outputs: Map<string, string> }> {
    const run = await bazel.test(
      '--spawn_strategy=local',
      `--remote_cache=${url}/${prefix}`,
      '//app/...',
      '//checks/...',
    );
    assert.doesNotMatch(run.output, /WARNING.*[Rr]emote [Cc]ache/);
    process.stdout.write(`      ${run.summary}\n`);
    return {
      ran: run.ran.filter((spawn) => !spawn.startsWith(failing)),
      hits: run.processes.get('remote cache hit') ?? 0,
      outputs: await bazel.built(),
    };
  }

  it('takes from the cache in one folder what it built in another, and nothing of another prefix', async () => {
    await using here = await Bazel.create(join(folder, 'here'), bazel4);
    await using elsewhere = await Bazel.create(join(folder, 'elsewhere'), bazel4);

    const first = await build(here, 'sample');
    const second = await build(elsewhere, 'sample');
    await elsewhere.clean();
    const other = await build(elsewhere, 'else');

    assert.equal(first.hits, 0);
    assert.ok(first.ran.length > 3, String(first.ran));
    assert.deepEqual(second.ran, []);
    assert.ok(first.outputs.size > 0);
    assert.deepEqual(second.outputs, first.outputs);
    assert.ok(second.hits >= first.ran.length, `${second.hits} hits for ${first.ran.length} spawns`);
    assert.equal(other.hits, 0);
  });
});
