import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MeasuredProcess } from './child.js';

/** A server under measurement, and where it listens. */
export interface BenchServer {
  readonly process: MeasuredProcess;
  readonly port: number;
}

/** Which `bgd` is started: as it was built, the sources as they are (`bin/dev.js`), or that of another checkout. */
export const builtEntry = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

/** What {@link startBgd} is told. */
export interface BgdServerOptions {
  readonly entry: string;
  /** Where the configuration is put. */
  readonly folder: string;
  /** One storage, as YAML on one line. */
  readonly storage: string;
}

/** Starts a server with a CAS and an ActionCache. */
export async function startBgd({ entry, folder, storage }: BgdServerOptions): Promise<BenchServer> {
  const config = join(folder, 'bench.yml');
  writeFileSync(
    config,
    `
server: [!channel { address: 127.0.0.1, port: 0, insecure-mode: true }]
instances:
  - name: ''
    storages: [${storage.replace(' ', ' &cas ')}]
    services:
      - !cas { storage: *cas }
      - !bytestream { storage: *cas }
      - !action-cache { storage: *cas, max-cached-refs: 10000 }
`,
  );
  const { process, found } = await MeasuredProcess.start(
    [...(entry.endsWith('dev.js') ? ['--import', 'tsx'] : []), entry, 'server', 'start', config, '--log-level', 'warn'],
    /^listening on grpc:\/\/[^:]+:(\d+)$/m,
  );
  return { process, port: Number(found) };
}

/** Starts the server that the limits are measured with. */
export async function startRaw(): Promise<BenchServer> {
  const script = fileURLToPath(new URL('raw-server.ts', import.meta.url));
  const { process, found } = await MeasuredProcess.start(['--import', 'tsx', script], /^listening on (\d+)$/m);
  return { process, port: Number(found) };
}
