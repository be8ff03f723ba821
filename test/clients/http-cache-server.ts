import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startServer } from '../helpers/bgd-process.js';

const config = `server:
  - !channel {port: 0, address: 127.0.0.1}
  - !http-cache
    port: 0
    address: 127.0.0.1
    max-size: MAX_SIZE
    path: !expand-path \${BGD_DATA_DIR}/http-keys
    storage: !disk-storage &cas {path: !expand-path '\${BGD_DATA_DIR}/cas'}
    action-cache: !action-cache &results {storage: *cas, path: !expand-path '\${BGD_DATA_DIR}/action-cache'}
instances:
  - {name: '', services: [!cas {storage: *cas}, *results]}
`;

/** A `bgd` process that serves an HTTP cache at `url`. Disposal kills it. */
export interface HttpCacheServer extends AsyncDisposable {
  readonly url: string;
}

/**
 * Starts a server that keeps an HTTP cache below `folder`, of values up to `maxSize`, as a configuration spells it. One that is
 * started there again has it all.
 */
export async function startHttpCache(folder: string, maxSize = '64M'): Promise<HttpCacheServer> {
  const file = join(folder, 'http-cache.yml');
  await writeFile(file, config.replace('MAX_SIZE', maxSize));
  const { process } = await startServer([file, '--data-dir', join(folder, 'data')], { home: folder });
  const [, url = ''] = await process.output('stdout', /^listening on (http:\S+)$/m);
  return { url, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}
