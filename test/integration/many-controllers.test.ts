import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../../src/client/client.js';
import { draftAction } from '../../src/client/action-draft.js';
import { executeAction } from '../../src/client/execute-action.js';
import { executeResponseOf, executionFailureOf } from '../../src/client/operation-messages.js';
import { uploadMissing } from '../../src/client/upload-missing.js';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import type { longrunning } from '../../src/proto/index.js';
import { startBot } from '../helpers/bgd-process.js';
import { Cluster, type Controller } from '../helpers/cluster.js';
import { PostgresServer } from '../helpers/postgres.js';
import { TcpSwitch } from '../helpers/tcp-switch.js';

async function lastOf<T>(items: AsyncIterable<T>): Promise<T> {
  let last: T | undefined;
  for await (const item of items) last = item;
  assert.ok(last !== undefined);
  return last;
}

const stdoutOf = (operation: longrunning.Operation): string =>
  String(Buffer.from(executeResponseOf(operation)?.result?.stdoutRaw ?? []));

describe('Controllers over one PostgreSQL', function () {
  this.timeout(120_000);
  const lifecycle = new Lifecycle();
  let cluster: Cluster;

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  async function start(count: number): Promise<readonly Controller[]> {
    cluster = lifecycle.use(await Cluster.create());
    return Promise.all(Array.from({ length: count }, () => cluster.start()));
  }

  const connect = async ({ url }: { url: string }): Promise<Client> => lifecycle.use(await Client.connect({ url }));

  async function work(url: string, name = 'work'): Promise<void> {
    const flags = ['--remote', url, '--work-dir', cluster.site.path(name)];
    lifecycle.use(await startBot(flags, { home: cluster.site.home }));
  }

  /** Begins to execute a script; resolves with the name of the operation, which is followed on. */
  async function execute(
    client: Client,
    script: string,
  ): Promise<{ name: string; ended: Promise<longrunning.Operation> }> {
    const draft = await draftAction({ argv: ['sh', '-c', script] });
    await uploadMissing(client.blobs, draft.sources, {});
    const states = client.execution.execute({ actionDigest: draft.digest, inlineStdout: true });
    const { value } = await states.next();
    assert.ok(value);
    return { name: value.name, ended: lastOf(states) };
  }

  it('let a client of one, a bot of another and a watcher of a third work together', async () => {
    const [a, b, c] = await start(3);
    await work(b!.url);

    const { name, ended } = await execute(await connect(a!), 'echo done');
    const watched = await lastOf((await connect(c!)).execution.wait(name));

    assert.equal(stdoutOf(await ended), 'done\n');
    assert.equal(executeResponseOf(watched)?.result?.exitCode, 0);
  });

  it('cancel through one what another queued and a third has running (OP-4)', async () => {
    const [a, b, c] = await start(3);
    await work(b!.url);
    const started = cluster.site.fifo('started');
    const { name, ended } = await execute(await connect(a!), `echo $$ > ${started}; sleep 600`);
    const pid = Number(await readFile(started, 'utf8'));

    await (await connect(c!)).operations.cancel(name);

    assert.equal(executionFailureOf(await ended)?.code, Code.Cancelled);
    // The bot is told by its own controller.
    while (isRunning(pid)) await delay(20);
  });

  it('take over the bot of one that is killed, with the lease that it works on (D6, D7)', async () => {
    const [a, b] = await start(2);
    const line = lifecycle.use(await TcpSwitch.open([a!.url]));
    await work(line.url);
    const { site } = cluster;
    const [started, gate, runs] = [site.fifo('started'), site.fifo('gate'), site.path('runs')];
    const script = `echo run >> ${runs}; echo > ${started}; cat ${gate}; echo done`;
    const { ended } = await execute(await connect(line), script);
    await readFile(started);

    line.turnTo(b!.url);
    a!.process.kill('SIGKILL');
    await a!.process.ended;
    await writeFile(gate, '');

    assert.equal(stdoutOf(await ended), 'done\n');
    assert.equal(await readFile(runs, 'utf8'), 'run\n');
    const sessions = await cluster.query<{ closed_because: string | null }>('SELECT closed_because FROM bot_sessions');
    assert.deepEqual(sessions, [{ closed_because: null }]);
  });

  it('answer from the cache what another has executed (EX-6)', async () => {
    const [a, b] = await start(2);
    await work(a!.url);
    const draft = await draftAction({ argv: ['echo', 'once'] });

    const first = await executeAction(await connect(a!), draft);
    const second = await executeAction(await connect(b!), draft);

    assert.deepEqual([first.isCached, second.isCached], [false, true]);
  });
});

describe('Idle controllers over one PostgreSQL', function () {
  this.timeout(120_000);

  it('ask it little, however many wait, and nothing else', async () => {
    await using lifecycle = new Lifecycle();
    const settings = ['fsync=off', 'shared_preload_libraries=pg_stat_statements'];
    const postgres = lifecycle.use(await PostgresServer.start(settings));
    const cluster = lifecycle.use(await Cluster.create({ postgres }));
    const controllers = [await cluster.start(), await cluster.start()];
    const client = lifecycle.use(await Client.connect({ url: controllers[0]!.url }));
    await cluster.query('CREATE EXTENSION pg_stat_statements');
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const waiting = Array.from({ length: 50 }, async (_, index) => {
      const draft = await draftAction({ argv: ['echo', String(index)] });
      await executeAction(client, draft, {}, stop.signal).catch(() => undefined);
    });
    const queued = async (): Promise<number> =>
      (await cluster.query<{ count: number }>('SELECT count(*) AS count FROM jobs'))[0]?.count ?? 0;
    while ((await queued()) < waiting.length) await delay(50);
    // What clients are told of a queue without bots is over by then.
    await delay(4_000);

    await cluster.query('SELECT pg_stat_statements_reset()');
    await delay(10_000);
    const found = await cluster.query<{ query: string; calls: number }>(
      `SELECT query, calls FROM pg_stat_statements JOIN pg_database ON oid = dbid
       WHERE datname = current_database() AND query NOT LIKE '%pg_stat_statements%' ORDER BY calls DESC`,
    );

    const total = found.reduce((sum, { calls }) => sum + calls, 0);
    process.stdout.write(`      ${total} statements of two controllers in 10 s with ${waiting.length} clients\n`);
    const texts = found.map(({ query, calls }) => `${calls} ${query.replaceAll(/\s+/g, ' ').slice(0, 100)}`);
    assert.ok(total <= 60, texts.join('\n'));
    stop.abort();
    await Promise.all(waiting);
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
