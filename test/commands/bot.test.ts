import assert from 'node:assert/strict';
import { join } from 'node:path';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { unpackAny } from '../../src/proto/any.js';
import { reapi } from '../../src/proto/index.js';
import { messageNames } from '../../src/proto/wire-names.js';
import { LeaseDealer } from '../bot/lease-dealer.js';
import { BgdProcess } from '../helpers/bgd-process.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

describe('bgd bot host-tools', () => {
  let lifecycle: Lifecycle;
  let home: string;
  let bots: LeaseDealer;
  let url: string;

  async function serve(dealer: LeaseDealer): Promise<void> {
    bots = dealer;
    ({ url } = lifecycle.use(await dealer.listen(new MemoryBlobStore())));
  }

  function start(...args: readonly string[]): BgdProcess {
    return lifecycle.use(new BgdProcess(['bot', 'host-tools', ...args], { home, env: { BGD_REMOTE: url } }));
  }

  beforeEach(async () => {
    lifecycle = new Lifecycle();
    home = lifecycle.use(await temporaryDirectory()).path;
    await serve(new LeaseDealer());
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  it('registers what the flags say, and tells on stderr alone when it is connected', async () => {
    const bot = start('--parent', 'main', '--concurrency', '2', '-w', 'gpu=none', '-w', 'pool', 'a=b');
    await bot.output('stderr', /connected/);
    bot.kill('SIGTERM');
    const { code, stdout, stderr } = await bot.ended;

    assert.deepEqual([code, stdout, stderr], [0, '', `connected to ${url}, 2 slots\n`]);
    assert.deepEqual([...bots.parents], ['main']);
    assert.equal(bots.botIds.length, 2);
    const properties = bots.sessions[0]?.worker?.devices?.[0]?.properties?.map(({ key, value }) => [key, value]);
    assert.deepEqual(properties?.[0], ['OSFamily', 'linux']);
    assert.deepEqual(properties.slice(-2), [
      ['gpu', 'none'],
      ['pool', 'a=b'],
    ]);
  });

  it('exits with 0 when Ctrl-C stops it', async () => {
    const bot = start();
    await bot.output('stderr', /connected/);
    bot.kill('SIGINT');

    assert.equal((await bot.ended).code, 0);
  });

  it('waits for a server that is not there, and says so once', async () => {
    const bot = start('--remote', 'grpc://127.0.0.1:1');
    await bot.output('stderr', /127\.0\.0\.1:1: connection refused/);
    bot.kill('SIGTERM');
    const { code, stderr } = await bot.ended;

    assert.equal(code, 0);
    assert.equal(stderr.trimEnd().split('\n').length, 1);
  });

  it('exits with 2 for arguments that cannot be', async () => {
    const bad = [
      [['-w', 'nope'], /"nope" is not KEY=VALUE/],
      [['--concurrency', '0'], /concurrency/],
      [['--remote', 'gopher://x'], /"gopher:\/\/x" is not the URL of a server/],
      [['--parent', 'a//b'], /"a\/\/b"/],
    ] as const;
    for (const [args, pattern] of bad) {
      const { code, stderr } = await start(...args).ended;

      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, pattern);
      assert.equal(stderr.trimEnd().split('\n').length, 1);
    }
  });

  it('exits with 2 when the server does not know the instance', async () => {
    await serve(new LeaseDealer(new StatusError(Code.InvalidArgument, 'Instance "x" is not served here')));

    const { code, stderr } = await start('--parent', 'x', '--concurrency', '2').ended;

    assert.deepEqual([code, stderr], [2, 'Error: Instance "x" is not served here\n']);
  });

  it('exits with 2 when another bot has the work folder, naming it', async () => {
    const folder = join(home, 'work');
    const first = start('--work-dir', folder);
    await first.output('stderr', /connected/);

    const { code, stderr } = await start('--work-dir', folder).ended;

    assert.equal(code, 2);
    assert.equal(stderr.includes(`${folder} is in use by process ${first.pid}`), true, stderr);
  });
});

describe('bgd bot dummy', () => {
  let lifecycle: Lifecycle;
  let bots: LeaseDealer;
  let url: string;

  beforeEach(async () => {
    lifecycle = new Lifecycle();
    bots = new LeaseDealer();
    ({ url } = lifecycle.use(await bots.listen(new MemoryBlobStore())));
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  async function start(...args: readonly string[]): Promise<BgdProcess> {
    const home = lifecycle.use(await temporaryDirectory()).path;
    const bot = lifecycle.use(new BgdProcess(['bot', 'dummy', ...args], { home, env: { BGD_REMOTE: url } }));
    await bot.output('stderr', /connected/);
    return bot;
  }

  it('reports actions as done that are not even in the CAS, and leaves when it is told to', async () => {
    bots.offer('first', Digest.of(Buffer.from('not there')));
    bots.offer('second', Digest.of(Buffer.from('not there either')));

    const bot = await start('--parent', 'main', '--exit-code', '3', '-w', 'pool=dummy');
    await until(() => bots.reports.size === 2);
    bot.kill('SIGTERM');

    assert.equal((await bot.ended).code, 0);
    const results = [...bots.reports.values()].map(({ result }) =>
      unpackAny(messageNames.actionResult, reapi.ActionResult, result),
    );
    assert.deepEqual(
      results.map((result) => [result?.exitCode, result?.executionMetadata?.worker]),
      Array.from({ length: 2 }, () => [3, bots.botIds[0]]),
    );
    const properties = bots.sessions[0]?.worker?.devices?.[0]?.properties;
    assert.equal(properties?.at(-1)?.value, 'dummy');
  });
});
