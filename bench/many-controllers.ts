import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lifecycle } from '../src/common/lifecycle.js';
import { BenchBot } from './harness/bench-bot.js';
import { paths } from './harness/cas-messages.js';
import { MeasuredProcess } from './harness/child.js';
import { framed } from './harness/frame.js';
import { Http2Load } from './harness/http2-load.js';
import { uploadActions } from './harness/job-client.js';
import { executeRequest, jobPaths } from './harness/job-messages.js';
import { report } from './harness/report.js';
import { builtEntry } from './harness/server.js';
import { SyncedFile } from './harness/sync-rate.js';

// Hand-off among two controllers over one PostgreSQL with its default durability: a client asks one, a bot waits at the other.

const { values } = parseArgs({
  options: { jobs: { type: 'string', default: '500' }, entry: { type: 'string', default: builtEntry } },
});
const empty = framed(new Uint8Array());

/** A server with all of its services. The CAS of the first is that of the second, too. */
async function startController(folder: string, name: string, { database, cas }: { database: string; cas?: number }) {
  const config = join(folder, `${name}.yml`);
  const storage =
    cas === undefined
      ? `!disk-storage &cas { path: ${join(folder, 'cas')}, size: 4G }`
      : `!remote-storage &cas { url: 'http://127.0.0.1:${cas}', instance-name: '' }`;
  writeFileSync(
    config,
    `
server: [!channel { address: 127.0.0.1, port: 0, insecure-mode: true }]
instances:
  - name: ''
    storages: [${storage}]
    services:
      - !cas { storage: *cas }
      - !execution { storage: *cas, data-store: !sql-data-store { connection-string: '${database}' } }
`,
  );
  const args = [values.entry, 'server', 'start', config, '--log-level', 'warn'];
  const { process, found } = await MeasuredProcess.start(args, /^listening on grpc:\/\/[^:]+:(\d+)$/m);
  return { process, port: Number(found) };
}

async function benchHandOff(folder: string): Promise<void> {
  // The module has mocha end what its suites share; there is none here.
  Object.assign(globalThis, { after: () => undefined });
  const { PostgresServer } = await import('../test/helpers/postgres.js');
  await using opened = new Lifecycle();
  const postgres = opened.use(await PostgresServer.start([]));
  const database = await postgres.createDatabase();
  const first = await startController(folder, 'first', { database });
  opened.use(first.process);
  const second = await startController(folder, 'second', { database, cas: first.port });
  opened.use(second.process);
  const client = opened.use(await Http2Load.connect(first.port, { connections: 1 }));
  const worker = opened.use(await Http2Load.connect(second.port, { connections: 1 }));
  using disk = new SyncedFile(folder);
  const bot = await BenchBot.connect(worker, 0, 'bench/hand-off');
  const times = { handOff: [] as number[], limit: [] as number[] };
  for (const action of await uploadActions(client, Number(values.jobs), true)) {
    const leased = bot.next().then((leases) => ({ leases, atMs: performance.now() }));
    // So that the bot sleeps.
    await delay(10);
    const startMs = performance.now();
    await client.call(paths.findMissing, empty);
    times.limit.push(performance.now() - startMs + disk.syncOnce());
    const sentMs = performance.now();
    const ended = client.call(jobPaths.execute, executeRequest(action));
    const { leases, atMs } = await leased;
    if (leases.length !== 1) throw new Error(`The bot was given ${leases.length} leases`);
    times.handOff.push(atMs - sentMs);
    await Promise.all([ended, bot.report()]);
  }
  for (const quantile of [0.5, 0.99]) {
    const [handOff, limit] = [quantileOf(times.handOff, quantile), quantileOf(times.limit, quantile)];
    report({
      name: `Hand-off across controllers, p${quantile * 100}; fdatasync + empty call`,
      figure: `${handOff.toFixed(2)} ms`,
      limit: `${limit.toFixed(2)} ms`,
      ratio: handOff / limit,
      goal: 10,
      isLimit: true,
    });
  }
}

function quantileOf(all: readonly number[], quantile: number): number {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length * quantile)] ?? 0;
}

const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-'));
try {
  await benchHandOff(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
