import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lifecycle } from '../src/common/lifecycle.js';
import type { PostgresServer } from '../test/helpers/postgres.js';
import { BenchBot } from './harness/bench-bot.js';
import { paths } from './harness/cas-messages.js';
import type { MeasuredProcess } from './harness/child.js';
import { framed } from './harness/frame.js';
import { benchHandOff } from './harness/hand-off.js';
import { Http2Load } from './harness/http2-load.js';
import { executeAll, uploadActions } from './harness/job-client.js';
import { countResults, executeRequest, jobPaths } from './harness/job-messages.js';
import { type JobServerOptions, startBots, startJobServer } from './harness/job-server.js';
import { benchClaims, benchStore, fillWithFinished, sqliteIn } from './harness/job-store-bench.js';
import { median, report } from './harness/report.js';
import { type BenchServer, builtEntry } from './harness/server.js';

// What a job costs on its whole way, and a server that waits: beside empty calls of the same server, or the disk, in the
// same run. Server and bots are processes of their own; the load is bare http2, so that the server is what is measured.

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '2000' },
    streams: { type: 'string', default: '10000' },
    finished: { type: 'string', default: '100000' },
    'idle-seconds': { type: 'string', default: '30' },
    entry: { type: 'string', default: builtEntry },
    database: { type: 'string', default: 'sqlite' },
    only: { type: 'string', default: 'path,store,claims,streams,hand-off,idle' },
    // Node's own, for the server: --node-flags=--cpu-prof.
    'node-flags': { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
const empty = framed(new Uint8Array());
const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-'));
const isPostgres = values.database === 'postgres';

let postgres: PostgresServer | undefined;

/** An empty database on the disk, as durable as it is by default. */
async function newDatabase(): Promise<string> {
  if (!isPostgres) return sqliteIn(mkdtempSync(join(folder, 'jobs-')), 'jobs.db');
  postgres ??= await startPostgres();
  return postgres.createDatabase();
}

async function startPostgres(): Promise<PostgresServer> {
  // The module has mocha end what its suites share; there is none here.
  Object.assign(globalThis, { after: () => undefined });
  const helper = await import('../test/helpers/postgres.js');
  return helper.PostgresServer.start([]);
}

async function startServer(database: string, options: Partial<JobServerOptions> = {}): Promise<BenchServer> {
  const nodeFlags = values['node-flags'].split(' ').filter((flag) => flag !== '');
  const { entry } = values;
  return startJobServer({ entry, folder: mkdtempSync(join(folder, 'server-')), database, nodeFlags, ...options });
}

/** Jobs over the whole path, beside empty calls: by the clock, and by what the server computes. */
async function benchPath(isCached: boolean): Promise<void> {
  await using opened = new Lifecycle();
  const server = await startServer(await newDatabase());
  opened.use(server.process);
  opened.use(await startBots(server.port, 100));
  const connections = 2;
  await using load = await Http2Load.connect(server.port, { connections });
  const count = Number(values.jobs);
  const cost = async (task: () => Promise<number>): Promise<{ rate: number; perCore: number }> => {
    const [startMs, cpuMs] = [performance.now(), server.process.cpuMs()];
    const done = await task();
    const spent = { clock: performance.now() - startMs, cpu: server.process.cpuMs() - cpuMs };
    return { rate: (done / spent.clock) * 1000, perCore: (done / spent.cpu) * 1000 };
  };
  const figures: { calls: Awaited<ReturnType<typeof cost>>; jobs: Awaited<ReturnType<typeof cost>> }[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const actions = await uploadActions(load, round < 0 ? Math.ceil(count / 4) : count, !isCached);
    const calls = await cost(() => load.hammer(paths.findMissing, () => empty, { ms: 1_000 }));
    const jobs = await cost(async () => {
      await executeAll(load, actions, { concurrency: 128, connections });
      return actions.length;
    });
    // The first warms up.
    if (round >= 0) figures.push({ calls, jobs });
  }
  for (const [key, unit] of [
    ['rate', '/s'],
    ['perCore', '/s/core'],
  ] as const) {
    report({
      name:
        key === 'rate'
          ? `Jobs ${isCached ? 'with' : 'without'} a cached result, empty calls`
          : '  by what the server computes',
      figure: `${median(figures.map(({ jobs }) => jobs[key])).toFixed(0)} ${unit}`,
      limit: `${median(figures.map(({ calls }) => calls[key])).toFixed(0)} ${unit}`,
      ratio: median(figures.map(({ jobs, calls }) => jobs[key] / calls[key])),
      ...(isPostgres ? { goal: 0.05 } : { goal: 0.08, stretch: 0.15 }),
    });
  }
}

/** Clients that wait for bots which come late: what each costs the server, and that each is told one result. */
async function benchStreams(): Promise<void> {
  await using opened = new Lifecycle();
  const server = await startServer(await newDatabase());
  opened.use(server.process);
  const connections = 8;
  await using load = await Http2Load.connect(server.port, { connections, isNarrow: true });
  const count = Number(values.streams);
  const actions = await uploadActions(load, count);
  const before = await idleRss(server);
  let queued = 0;
  const streams = actions.map(async (action, index) => {
    if (index % 100 === 0) await delay(index / 2);
    const stream = load.open(jobPaths.execute, index % connections);
    const chunks: Buffer[] = [];
    stream.once('data', () => (queued += 1));
    stream.on('data', (data: Buffer) => void chunks.push(data));
    stream.end(executeRequest(action));
    await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
    return countResults(Buffer.concat(chunks));
  });
  while (queued < count) await delay(100);
  const after = await idleRss(server);
  report({
    name: `RSS of an Execute stream, ${count} waiting`,
    figure: `${((after - before) / count / 1024).toFixed(1)} KiB`,
    limit: '40 KiB',
    ratio: (after - before) / count / 1024 / 40,
    goal: 1,
    isLimit: true,
  });
  opened.use(await startBots(server.port, 100));
  const results = await Promise.all(streams);
  console.log(`  told one result: ${results.filter((each) => each === 1).length} of ${count}`);
}

/** After V8 has cleared up, as it does when there is little to do for a while. */
async function idleRss({ process }: BenchServer): Promise<number> {
  await delay(15_000);
  return process.rssBytes();
}

async function benchOneController(): Promise<void> {
  await using opened = new Lifecycle();
  const server = await startServer(await newDatabase());
  opened.use(server.process);
  await using load = await Http2Load.connect(server.port, { connections: 2 });
  const bot = await BenchBot.connect(load, 1, 'bench/hand-off');
  const actions = await uploadActions(load, 1_000);
  await benchHandOff({ name: 'Hand-off', client: load, bot, actions, folder, goal: 5 });
}

/** What a server does that has nothing to do, with as many finished jobs as are told. */
async function benchIdle(finished: number): Promise<void> {
  const database = await newDatabase();
  await fillWithFinished(database, finished);
  const seconds = Number(values['idle-seconds']);
  let statements = 0;
  const onStatement = (text: string): void => void (statements += text.split('knex:query').length - 1);
  const perMinute = 60 / seconds;
  const wait = async ({ process }: { readonly process: MeasuredProcess }, port: number): Promise<number> => {
    await using opened = new Lifecycle();
    opened.use(await startBots(port, 100));
    await delay(2_000);
    statements = 0;
    const before = process.cpuMs();
    await delay(seconds * 1000);
    return (process.cpuMs() - before) * perMinute;
  };
  // Counted and timed apart: to tell of a statement costs more than the statement.
  const quiet = await startServer(database);
  const cpuMs = await wait(quiet, quiet.port);
  await quiet.process[Symbol.asyncDispose]();
  const telling = await startServer(database, { onStatement });
  await wait(telling, telling.port);
  await telling.process[Symbol.asyncDispose]();
  console.log(
    `Idle with 100 waiting bots and ${finished} finished jobs: ${cpuMs.toFixed(0)} ms CPU and ` +
      `${(statements * perMinute).toFixed(0)} SQL statements a minute`,
  );
}

const parts: Readonly<Record<string, () => Promise<void>>> = {
  path: async () => {
    await benchPath(true);
    await benchPath(false);
  },
  store: async () => benchStore(await newDatabase(), folder),
  claims: () => benchClaims(() => (isPostgres ? newDatabase() : Promise.resolve('sqlite://'))),
  streams: benchStreams,
  'hand-off': benchOneController,
  idle: async () => {
    await benchIdle(0);
    await benchIdle(Number(values.finished));
  },
};

try {
  for (const name of values.only.split(',')) await parts[name]?.();
} finally {
  await postgres?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
