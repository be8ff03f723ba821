import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BgdProcess, Ended } from '../helpers/bgd-process.js';
import { BgdSite, freePort } from '../helpers/bgd-site.js';
import { repositoryRoot } from '../helpers/repository.js';

const examples = join(repositoryRoot, 'docs/examples');

describe('bgd execute command', function () {
  this.timeout(60_000);

  let site: BgdSite;

  beforeEach(async () => {
    site = await BgdSite.create();
    await site.write('inputs/name.txt', 'world\n');
  });

  afterEach(() => site[Symbol.asyncDispose]());

  function greet(url: string, ...flags: string[]): BgdProcess {
    const script = 'echo "hello $(cat name.txt)" > greeting.txt; echo told; echo warned >&2';
    const args = ['execute', 'command', '--remote', url, ...flags, '--output-path', 'greeting.txt', 'inputs'];
    return site.bgd([...args, '--', 'sh', '-c', script]);
  }

  async function assertGreeted({ code, stdout, stderr }: Ended): Promise<void> {
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'told\n');
    assert.match(stderr, /^warned$/m);
    assert.equal(await readFile(site.path('greeting.txt'), 'utf8'), 'hello world\n');
  }

  it('runs a command on a worker, prints what it wrote, and brings its outputs', async () => {
    const { url } = await site.serve();
    await site.work(url);

    await assertGreeted(await greet(url).ended);
  });

  it('answers the second time from the cache', async () => {
    const { url } = await site.serve();
    const bot = await site.work(url);
    await greet(url).ended;
    bot.kill('SIGTERM');
    await bot.ended;

    await assertGreeted(await greet(url).ended);
  });

  it('ends with the result when the server is killed between queueing and running', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const { process: first, url } = await site.serve(['--listen', listen]);
    const client = greet(url);
    await client.output('stderr', /queued/);

    first.kill('SIGKILL');
    await first.ended;
    await site.serve(['--listen', listen]);
    await site.work(url);

    await assertGreeted(await client.ended);
  });

  it('ends with the result when the server is killed while the command runs', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const { process: first, url } = await site.serve(['--listen', listen]);
    await site.work(url);
    const [started, gate] = [site.fifo('started'), site.fifo('gate')];
    const script = `echo > ${started}; cat ${gate}; echo done`;
    const client = site.bgd(['execute', 'command', '--remote', url, 'inputs', '--', 'sh', '-c', script]);
    await readFile(started);

    first.kill('SIGKILL');
    await first.ended;
    await site.serve(['--listen', listen]);
    await writeFile(gate, '');

    const { code, stdout, stderr } = await client.ended;
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'done\n');
  });

  it('runs over CAS and ActionCache in a second server process', async () => {
    const data = site.path('data');
    const storage = await site.serve([join(examples, 'storage.yml'), '--data-dir', join(data, 'storage')]);
    const controller = [join(examples, 'controller.yml'), '--data-dir', join(data, 'controller')];
    const { url } = await site.serve(controller, { BGD_STORAGE_URL: storage.url });
    const bot = await site.work(url, '--remote-cas', storage.url);

    await assertGreeted(await greet(url, '--remote-cas', storage.url).ended);

    bot.kill('SIGTERM');
    await bot.ended;
    await assertGreeted(await greet(url, '--remote-cas', storage.url).ended);
  });

  it('stops well on SIGTERM, bot first or server first', async () => {
    const { process: server, url } = await site.serve();
    const bot = await site.work(url);

    server.kill('SIGTERM');
    const serverEnd = await server.ended;
    bot.kill('SIGTERM');
    const botEnd = await bot.ended;

    assert.equal(serverEnd.code, 0, serverEnd.stderr);
    assert.equal(botEnd.code, 0, botEnd.stderr);
  });

  it('says that no bot has taken the command when none is there', async () => {
    const { url } = await site.serve();

    const client = greet(url);

    await client.output('stderr', /queued: no bot/);
    client.kill('SIGINT');
    assert.equal((await client.ended).code, 130);
  });

  it('refuses an unreachable server in one line and with its own code', async () => {
    const url = `grpc://127.0.0.1:${await freePort()}`;

    const { code, stderr } = await site.bgd(['capabilities', '--remote', url]).ended;

    assert.equal(code, 4);
    assert.match(stderr, /^Error: .*cannot reach.*\n$/i);
  });
});
