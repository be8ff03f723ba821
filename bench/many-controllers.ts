import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lifecycle } from '../src/common/lifecycle.js';
import { BenchBot } from './harness/bench-bot.js';
import { MeasuredProcess } from './harness/child.js';
import { benchHandOff } from './harness/hand-off.js';
import { Http2Load } from './harness/http2-load.js';
import { uploadActions } from './harness/job-client.js';
import { builtEntry } from './harness/server.js';

// Hand-off among two controllers over one PostgreSQL with its default durability: a client asks one, a bot waits at the other.

const { values } = parseArgs({
  options: { jobs: { type: 'string', default: '500' }, entry: { type: 'string', default: builtEntry } },
});

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

async function benchControllers(folder: string): Promise<void> {
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
  const bot = await BenchBot.connect(worker, 0, 'bench/hand-off');
  const actions = await uploadActions(client, Number(values.jobs), true);
  // So that the bot sleeps.
  const settle = (): Promise<void> => delay(10);
  await benchHandOff({ name: 'Hand-off across controllers', client, bot, actions, folder, goal: 10, settle });
}

const folder = mkdtempSync(join(tmpdir(), 'bgd-bench-'));
try {
  await benchControllers(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
