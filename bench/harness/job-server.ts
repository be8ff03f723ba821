import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MeasuredProcess } from './child.js';
import type { BenchServer } from './server.js';

/** What {@link startJobServer} is told. */
export interface JobServerOptions {
  readonly entry: string;
  /** Where blobs, results and the configuration are. */
  readonly folder: string;
  /** Where jobs are: a connection string. */
  readonly database: string;
  /** Given to Node, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
  /** Told each piece that the server writes to stderr, with each statement of SQL. */
  readonly onStatement?: (text: string) => void;
}

/** Starts a server with all of its services, everything on the disk, as the embedded default has it. */
export async function startJobServer(options: JobServerOptions): Promise<BenchServer> {
  const { entry, folder, database, nodeFlags = [], onStatement } = options;
  const config = join(folder, 'jobs.yml');
  writeFileSync(
    config,
    `
server: [!channel { address: 127.0.0.1, port: 0, insecure-mode: true }]
instances:
  - name: ''
    storages: [!disk-storage &cas { path: ${join(folder, 'cas')}, size: 4G }]
    caches: [!action-cache &results { storage: *cas, path: ${join(folder, 'results')} }]
    data-stores: [!sql-data-store &jobs { connection-string: '${database}' }]
    services:
      - !cas { storage: *cas }
      - *results
      - !execution { storage: *cas, action-cache: *results, data-store: *jobs }
`,
  );
  const script = entry.endsWith('dev.js') ? ['--import', 'tsx', entry] : [entry];
  const { process, found } = await MeasuredProcess.start(
    [...nodeFlags, ...script, 'server', 'start', config, '--log-level', 'warn'],
    /^listening on grpc:\/\/[^:]+:(\d+)$/m,
    onStatement && { environment: { DEBUG: 'knex:query', DEBUG_COLORS: '0' }, onError: onStatement },
  );
  return { process, port: Number(found) };
}

/** Starts so many bots for a server, in a process of their own. */
export async function startBots(port: number, count: number): Promise<MeasuredProcess> {
  const script = fileURLToPath(new URL('bots.ts', import.meta.url));
  const argv = ['--import', 'tsx', script, String(port), String(count)];
  return (await MeasuredProcess.start(argv, /^connected (\d+)$/m)).process;
}
