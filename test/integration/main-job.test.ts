import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { BgdProcess, type BgdOptions, type Ended, runBgd, startBot, startServer } from '../helpers/bgd-process.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** A port that was free a moment ago: for a server that has to come back on the one it had. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  server.close();
  await once(server, 'close');
  return address.port;
}

describe('bgd execute command', function () {
  this.timeout(60_000);

  let lifecycle: Lifecycle;
  let options: BgdOptions;
  let inputs: string;

  beforeEach(async () => {
    lifecycle = new Lifecycle();
    const home = lifecycle.use(await temporaryDirectory()).path;
    options = { home, cwd: home };
    inputs = join(home, 'inputs');
    await mkdir(inputs);
    await writeFile(join(inputs, 'name.txt'), 'world\n');
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  async function serve(...args: string[]): Promise<{ process: BgdProcess; url: string }> {
    const server = await startServer(args, options);
    lifecycle.use(server.process);
    return server;
  }

  async function work(...args: string[]): Promise<BgdProcess> {
    return lifecycle.use(await startBot(['--work-dir', join(options.home, 'work'), ...args], options));
  }

  function greet(url: string, ...flags: string[]): BgdProcess {
    const script = 'echo "hello $(cat name.txt)" > greeting.txt; echo told; echo warned >&2';
    const args = ['execute', 'command', '--remote', url, ...flags, '--output-path', 'greeting.txt', inputs];
    return lifecycle.use(new BgdProcess([...args, '--', 'sh', '-c', script], options));
  }

  async function assertGreeted({ code, stdout, stderr }: Ended): Promise<void> {
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'told\n');
    assert.match(stderr, /^warned$/m);
    assert.equal(await readFile(join(options.home, 'greeting.txt'), 'utf8'), 'hello world\n');
  }

  it('runs a command on a worker, prints what it wrote, and brings its outputs', async () => {
    const { url } = await serve('--listen', '127.0.0.1:0', '--data-dir', join(options.home, 'data'));
    await work('--remote', url);

    await assertGreeted(await greet(url).ended);
  });

  it('answers the second time from the cache', async () => {
    const { url } = await serve('--listen', '127.0.0.1:0', '--data-dir', join(options.home, 'data'));
    const bot = await work('--remote', url);
    await greet(url).ended;
    bot.kill('SIGTERM');
    await bot.ended;

    await assertGreeted(await greet(url).ended);
  });

  it('ends with the result when the server is killed between queueing and running', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const dataDir = join(options.home, 'data');
    const { process: first, url } = await serve('--listen', listen, '--data-dir', dataDir);
    const client = greet(url);
    await client.output('stderr', /queued/);

    first.kill('SIGKILL');
    await first.ended;
    await serve('--listen', listen, '--data-dir', dataDir);
    await work('--remote', url);

    await assertGreeted(await client.ended);
  });

  it('ends with the result when the server is killed while the command runs', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const dataDir = join(options.home, 'data');
    const { process: first, url } = await serve('--listen', listen, '--data-dir', dataDir);
    await work('--remote', url);
    const gate = join(options.home, 'gate');
    const script = `touch ${gate}.started; while [ ! -e ${gate} ]; do sleep 0.05; done; echo done`;
    const client = lifecycle.use(
      new BgdProcess(['execute', 'command', '--remote', url, inputs, '--', 'sh', '-c', script], options),
    );
    for (;;) if (await readFile(`${gate}.started`).catch(() => undefined)) break;

    first.kill('SIGKILL');
    await first.ended;
    await serve('--listen', listen, '--data-dir', dataDir);
    await writeFile(gate, '');

    const { code, stdout, stderr } = await client.ended;
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'done\n');
  });

  it('runs over CAS and ActionCache in a second server process', async () => {
    const storagePort = await freePort();
    const storageUrl = `grpc://127.0.0.1:${storagePort}`;
    const examples = join(import.meta.dirname, '../../docs/examples');
    const dataDir = join(options.home, 'data');
    await serve(
      join(examples, 'storage.yml'),
      '--listen',
      `127.0.0.1:${storagePort}`,
      '--data-dir',
      join(dataDir, 'storage'),
    );
    options = { ...options, env: { BGD_STORAGE_URL: storageUrl } };
    const { url } = await serve(
      join(examples, 'controller.yml'),
      '--listen',
      '127.0.0.1:0',
      '--data-dir',
      join(dataDir, 'controller'),
    );
    const bot = await work('--remote', url, '--remote-cas', storageUrl);

    await assertGreeted(await greet(url, '--remote-cas', storageUrl).ended);

    bot.kill('SIGTERM');
    await bot.ended;
    await assertGreeted(await greet(url, '--remote-cas', storageUrl).ended);
  });

  it('stops well on SIGTERM, bot first or server first', async () => {
    const { process: server, url } = await serve('--listen', '127.0.0.1:0', '--data-dir', join(options.home, 'data'));
    const bot = await work('--remote', url);

    server.kill('SIGTERM');
    const serverEnd = await server.ended;
    bot.kill('SIGTERM');
    const botEnd = await bot.ended;

    assert.equal(serverEnd.code, 0, serverEnd.stderr);
    assert.equal(botEnd.code, 0, botEnd.stderr);
  });

  it('says that no bot has taken the command when none is there', async () => {
    const { url } = await serve('--listen', '127.0.0.1:0', '--data-dir', join(options.home, 'data'));

    const client = greet(url);

    await client.output('stderr', /queued: no bot/);
    client.kill('SIGINT');
    assert.equal((await client.ended).code, 130);
  });

  it('refuses an unreachable server in one line and with its own code', async () => {
    const url = `grpc://127.0.0.1:${await freePort()}`;

    const { code, stderr } = await runBgd(['capabilities', '--remote', url], options);

    assert.equal(code, 4);
    assert.match(stderr, /^Error: .*cannot reach.*\n$/i);
  });
});
