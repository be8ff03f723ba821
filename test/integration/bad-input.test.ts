import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import type { BgdProcess, Ended } from '../helpers/bgd-process.js';
import { BgdSite } from '../helpers/bgd-site.js';

describe('Bad input and bad luck', function () {
  this.timeout(60_000);

  let site: BgdSite;
  let url: string;

  beforeEach(async () => {
    site = await BgdSite.create();
    await mkdir(site.path('inputs'));
  });

  afterEach(() => site[Symbol.asyncDispose]());

  async function serveAndWork(): Promise<BgdProcess> {
    ({ url } = await site.serve());
    return site.work(url);
  }

  function execute(flags: readonly string[], ...command: string[]): BgdProcess {
    return site.bgd(['execute', 'command', '--remote', url, ...flags, 'inputs', '--', ...command]);
  }

  function assertOneLine({ code, stderr }: Ended, expected: { code: number; text: RegExp }): void {
    assert.equal(code, expected.code, stderr);
    const said = stderr.replace(/^\{.*\}\n/gm, ''); // What a server logs besides.
    assert.match(said, /^Error: [^\n]+\n$/);
    assert.match(said, expected.text);
  }

  /** What a bot keeps of attempts that are over: nothing but its own files. */
  async function assertNoAttemptIsLeft(): Promise<void> {
    const left = await readdir(site.path('work'), { recursive: true });
    assert.deepEqual(
      left.filter((name) => name.includes('input')),
      [],
    );
  }

  it('tells a program that the worker does not have, with 127', async () => {
    await serveAndWork();

    assertOneLine(await execute([], 'no-such-program', 'x').ended, { code: 127, text: /no-such-program/ });
    await assertNoAttemptIsLeft();
  });

  it('tells a program that cannot be executed, with 126', async () => {
    await serveAndWork();
    await site.write('inputs/data.txt', 'no program');

    assertOneLine(await execute([], './data.txt').ended, { code: 126, text: /data\.txt/ });
  });

  it('tells a command that was killed by a signal, with 128 and its number', async () => {
    await serveAndWork();

    const { code } = await execute([], 'sh', '-c', 'kill -9 $$').ended;

    assert.equal(code, 137);
  });

  it("passes on the command's own exit code, and its outputs", async () => {
    await serveAndWork();

    const { code, stdout } = await execute(['--output-path', 'left'], 'sh', '-c', 'echo partial; touch left; exit 42')
      .ended;

    assert.equal(code, 42);
    assert.equal(stdout, 'partial\n');
    assert.equal(await readFile(site.path('left'), 'utf8'), '');
  });

  it('stops an action that runs out of time, with 124 and what it wrote until then', async () => {
    await serveAndWork();

    const { code, stdout, stderr } = await execute(['--timeout', '1'], 'sh', '-c', 'echo early; sleep 600').ended;

    assert.equal(code, 124, stderr);
    assert.equal(stdout, 'early\n');
    assert.match(stderr, /timed? ?out|time/i);
    await assertNoAttemptIsLeft();
  });

  it('gives the work of a killed bot to the next one', async () => {
    const first = await serveAndWork();
    const [started, gate] = [site.fifo('started'), site.fifo('gate')];
    // Only the second attempt reads from the gate: what the first left running must not take its line away.
    const firstAttempt = `mkdir ${site.path('mark')} 2>/dev/null && { echo > ${started}; exec sleep 600; }`;
    const client = execute([], 'sh', '-c', `${firstAttempt}; echo > ${started}; cat ${gate}`);
    await readFile(started);

    first.kill('SIGKILL');
    await first.ended;
    // The same work folder: the new bot takes the place of the one that died, and ends what it left running.
    await site.work(url);
    await readFile(started);
    await writeFile(gate, 'second time\n');

    const { code, stdout, stderr } = await client.ended;
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'second time\n');
  });

  it('lets an action go on when its client goes away, and caches what comes of it', async () => {
    await serveAndWork();
    const [started, gate] = [site.fifo('started'), site.fifo('gate')];
    const command = ['sh', '-c', `echo > ${started}; cat ${gate}`];
    const gone = execute([], ...command);
    await readFile(started);

    gone.kill('SIGKILL');
    await gone.ended;
    const second = execute([], ...command);
    await writeFile(gate, 'kept\n');

    const { code, stdout, stderr } = await second.ended;
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'kept\n');
  });

  it('cancels the action on Ctrl-C, with 130, and stops the command', async () => {
    const bot = await serveAndWork();
    const [started, stopped] = [site.fifo('started'), site.fifo('stopped')];
    const script = `trap 'echo stopped > ${stopped}; exit' TERM; echo > ${started}; while :; do sleep 0.1; done`;
    const client = execute([], 'sh', '-c', script);
    await readFile(started);

    client.kill('SIGINT');

    assert.equal(await readFile(stopped, 'utf8'), 'stopped\n');
    assert.equal((await client.ended).code, 130);
    bot.kill('SIGTERM');
    assert.equal((await bot.ended).code, 0);
    await assertNoAttemptIsLeft();
  });

  it('refuses a file where a directory is wanted, and the reverse', async () => {
    ({ url } = await site.serve());
    const file = await site.write('file', 'x');

    const uploadDir = await site.bgd(['cas', 'upload-dir', '--remote', url, file]).ended;
    const uploadFile = await site.bgd(['cas', 'upload-file', '--remote', url, site.path('inputs')]).ended;

    assertOneLine(uploadDir, { code: 2, text: /not a (directory|folder)/i });
    assertOneLine(uploadFile, { code: 2, text: /not a file/ });
  });

  it('never overwrites a folder with an output', async () => {
    await serveAndWork();
    await mkdir(site.path('out'));

    const ended = await execute(['--output-path', 'out'], 'sh', '-c', 'echo x > out').ended;

    assert.notEqual(ended.code, 0);
    assert.match(ended.stderr, /out/);
    assert.deepEqual(await readdir(site.path('out')), []);
  });

  it('refuses a folder of data that another server uses', async () => {
    await site.serve();

    const second = await site.bgd(['server', 'start', '--listen', '127.0.0.1:0', '--data-dir', site.path('data')])
      .ended;

    assertOneLine(second, { code: 2, text: /is in use by process \d+/ });
  });

  it('refuses a port that is taken', async () => {
    ({ url } = await site.serve());
    const listen = url.replace('grpc://', '');

    const second = await site.bgd(['server', 'start', '--listen', listen, '--data-dir', site.path('other')]).ended;

    assertOneLine(second, { code: 4, text: /the address is in use/ });
  });

  it('shows the place of a misspelt key before anything is opened', async () => {
    const config = await site.write(
      'bgd.yml',
      `server: [!channel {port: 0, insecure-mode: true}]
instances:
  - name: ''
    services:
      - !cas {storage: !disk-storage {path: ${site.path('cas')}, sise: 1G}}
`,
    );

    const ended = await site.bgd(['server', 'start', config]).ended;

    assertOneLine(ended, { code: 2, text: /bgd\.yml:5:\d+: Unknown key "sise"; did you mean "size"\?/ });
    assert.deepEqual((await readdir(site.home)).sort(), ['bgd.yml', 'inputs']);
  });

  it('refuses a configuration file that is not there', async () => {
    assertOneLine(await site.bgd(['server', 'start', 'missing.yml']).ended, { code: 2, text: /missing\.yml/ });
  });

  it('tells a digest that is none, and a blob that is not there, apart', async () => {
    ({ url } = await site.serve());
    const absent = `${'0'.repeat(64)}/5`;

    const malformed = await site.bgd(['cas', 'download-file', '--remote', url, 'nonsense', 'out']).ended;
    const missing = await site.bgd(['cas', 'download-file', '--remote', url, absent, 'out']).ended;

    assertOneLine(malformed, { code: 2, text: /"nonsense" is not a digest/ });
    assertOneLine(missing, { code: 3, text: new RegExp(absent) });
    assert.deepEqual(await readdir(site.path()), ['data', 'inputs']);
  });

  it('refuses an unknown command and an unknown flag', async () => {
    assertOneLine(await site.bgd(['cas', 'uplaod-file']).ended, { code: 2, text: /uplaod-file/ });
    assertOneLine(await site.bgd(['capabilities', '--remot', 'x']).ended, { code: 2, text: /--remot/ });
  });
});
