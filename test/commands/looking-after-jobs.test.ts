import assert from 'node:assert/strict';
import { rwapi } from '../../src/proto/index.js';
import { BgdProcess, type Ended } from '../helpers/bgd-process.js';
import { LookedAfterServer } from '../helpers/looked-after-server.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { CommandHarness } from './command-harness.js';

const { ACTIVE, CANCELLED } = rwapi.LeaseState;
const unknownId = '00000000-0000-4000-8000-000000000000';

describe('Commands that look after jobs and bots', function () {
  this.timeout(60_000);

  let server: LookedAfterServer;
  let home: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeEach(async () => {
    home = await temporaryDirectory();
    server = await LookedAfterServer.start();
  });

  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  async function run(...args: readonly string[]): Promise<Ended> {
    const env = { BGD_REMOTE: server.url, BGD_INSTANCE_NAME: 'main' };
    await using process = new BgdProcess(args, { home: home.path, env });
    return await process.ended;
  }

  /** What a command prints as JSON, decoded. */
  async function json(...args: readonly string[]): Promise<unknown> {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  const cells = (line = ''): string[] => line.trim().split(/ {2,}/);

  it('operation show tells why an operation waits, then who has it', async () => {
    const name = await server.execute('a', 'gpu');
    await server.connect('cpu-bot', 'cpu');

    const waiting = await run('operation', 'show', name);
    const session = await server.connect('gpu-bot', 'gpu');
    await server.report(session, ACTIVE);
    const executing = await run('operation', 'show', name);
    const decoded = (await json('operation', 'show', name)) as Record<string, unknown>;

    assert.equal(waiting.code, 0, waiting.stderr);
    assert.match(waiting.stdout, /^state: QUEUED\nwaits: no bot offers "pool"="gpu"; nearest: "cpu-bot" lacks/m);
    assert.match(executing.stdout, /^state: EXECUTING\n/m);
    assert.match(executing.stdout, /^platform: pool=gpu\npriority: 0\n/m);
    const [head, attempt] = executing.stdout.trim().split('\n').slice(-2).map(cells);
    assert.deepEqual(head?.slice(0, 3), ['ATTEMPT', 'BOT', 'OUTCOME']);
    assert.deepEqual(attempt?.slice(0, 3), ['1', 'gpu-bot', 'executing']);
    assert.deepEqual([decoded['name'], decoded['stage'], decoded['worker']], [name, 'EXECUTING', 'gpu-bot']);
    const [{ bot, session: told }] = decoded['attempts'] as [{ bot: string; session: string }];
    assert.deepEqual([bot, told], ['gpu-bot', session.name]);
  });

  it('operation requeue takes an operation away, and refuses one that waits', async () => {
    const name = await server.execute('a', 'cpu');
    const session = await server.connect('bot', 'cpu');

    const requeued = await run('operation', 'requeue', name);
    const again = await run('operation', 'requeue', name);

    assert.deepEqual([requeued.code, requeued.stdout, requeued.stderr], [0, '', '']);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /^Error: Operation "[\w-]+" waits in the queue already: only one that a bot has/);
    const told = await server.report(session, ACTIVE);
    assert.deepEqual(
      told.leases.map(({ state }) => state),
      [CANCELLED],
    );
  });

  it('bot list tells what bots do, those alone that could take an action, and a part of them', async () => {
    const name = await server.execute('a', 'gpu');
    await server.connect('one', 'gpu');
    await server.connect('two', 'cpu', rwapi.BotStatus.UNHEALTHY);
    await server.connect('three', 'cpu');

    const { stdout } = await run('bot', 'list');
    const some = (await json('bot', 'list', '-p', 'pool=gpu')) as { botId: string; lease: { operation: string } }[];
    const part = await run('bot', 'list', '--limit', '2');
    const token = /^There are more: --page-token (\S+)\n$/.exec(part.stderr)?.[1] ?? '';
    const rest = await run('bot', 'list', '--page-token', token);
    const none = await run('bot', 'list', '-p', 'pool=none');

    const lines = stdout.trim().split('\n').map(cells);
    assert.deepEqual(
      lines.map((line) => line.slice(0, 2)),
      [
        ['BOT', 'STATUS'],
        ['one', 'accepting'],
        ['three', 'accepting'],
        ['two', 'closed'],
      ],
    );
    assert.deepEqual(
      some.map(({ botId, lease }) => [botId, lease.operation]),
      [['one', name]],
    );
    assert.deepEqual(
      [part, rest].map((page) =>
        page.stdout
          .trim()
          .split('\n')
          .slice(1)
          .map((line) => cells(line)[0]),
      ),
      [['one', 'three'], ['two']],
    );
    assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'There are no such bots.\n']);
  });

  it('bot drain lets a bot get nothing new, until that is undone', async () => {
    await server.connect('bot', 'cpu');

    const drained = await run('bot', 'drain', 'bot');
    const listed = await run('bot', 'list');
    const undone = await json('bot', 'drain', '--undo', 'bot');

    assert.deepEqual([drained.code, drained.stdout, drained.stderr], [0, '', '']);
    assert.deepEqual(cells(listed.stdout.split('\n')[1]).slice(0, 2), ['bot', 'drained']);
    assert.deepEqual(undone, { botId: 'bot', drained: false });
    assert.deepEqual((await json('bot', 'list', '-p', 'pool=cpu')) instanceof Array, true);
  });

  it('operation list has filters, and goes on where it was limited', async () => {
    const names = [
      await server.execute('a', 'cpu'),
      await server.execute('b', 'cpu'),
      await server.execute('c', 'gpu'),
    ];
    await server.client.operations.cancel(names[2]!);
    await server.connect('bot', 'cpu');

    const { stdout } = await run('operation', 'list');
    const live = (await json('operation', 'list', '--filter', 'stage!=COMPLETED')) as {
      name: string;
      worker?: string;
    }[];
    const part = await run('operation', 'list', '--limit', '2', '--json');
    const token = /--page-token (\S+)\n$/.exec(part.stderr)?.[1] ?? '';
    const rest = (await json('operation', 'list', '--page-token', token)) as { name: string }[];
    const wrong = await run('operation', 'list', '--filter', 'size=7');

    const lines = stdout.trim().split('\n').map(cells);
    assert.deepEqual(lines[0]?.slice(0, 4), ['NAME', 'STATE', 'AGE', 'BOT']);
    assert.deepEqual(
      lines.slice(1).map(([name, state]) => [name, state]),
      names.map((name, index) => [name, ['QUEUED', 'QUEUED', 'CANCELLED'][index]]),
    );
    assert.deepEqual(
      live.map(({ name, worker }) => [name, worker]),
      [
        [names[0], 'bot'],
        [names[1], undefined],
      ],
    );
    assert.equal((JSON.parse(part.stdout) as unknown[]).length, 2);
    assert.deepEqual(
      rest.map(({ name }) => name),
      [names[2]],
    );
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /a key out of stage, action_digest/);
  });

  for (const [title, args] of [
    ['operation show', ['operation', 'show', `main/operations/${unknownId}`]],
    ['operation requeue', ['operation', 'requeue', `main/operations/${unknownId}`]],
    ['bot drain', ['bot', 'drain', 'nobody']],
  ] as const) {
    it(`${title} exits with 3 for what is not known`, async () => {
      const { code, stdout, stderr } = await run(...args);

      assert.deepEqual([code, stdout], [3, '']);
      assert.match(stderr, /^Error: (Operation|Bot) "[\w-]+" is not (known|connected)/);
    });
  }

  for (const [title, args] of [
    ['operation show', ['operation', 'show', `closed/operations/${unknownId}`]],
    ['operation requeue', ['operation', 'requeue', `closed/operations/${unknownId}`]],
    ['bot list', ['bot', 'list', '--instance-name', 'closed']],
    ['bot drain', ['bot', 'drain', '--instance-name', 'closed', 'bot']],
  ] as const) {
    it(`${title} exits with 5 where it is not allowed, and says what to set`, async () => {
      const { code, stderr } = await run(...args);

      assert.equal(code, 5);
      assert.match(stderr, /"closed": "admin: true" in its configuration allows them/);
    });
  }

  it('says of a server that is no bgd that it cannot', async () => {
    await using harness = await CommandHarness.create({ isBgd: false });

    const shown = await harness.run('operation', 'show', `operations/${unknownId}`);
    const listed = await harness.run('bot', 'list', '--json');

    assert.match(shown.stderr, /takes no admin calls: REAPI has none, and only a bgd server offers them/);
    const { error } = JSON.parse(listed.stdout) as { error: { code: string; exitCode: number } };
    assert.deepEqual([shown.code, error.code, error.exitCode], [1, 'UNIMPLEMENTED', 1]);
  });
});
