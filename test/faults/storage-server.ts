import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BgdProcess } from '../helpers/bgd-process.js';

/** How long a server may take from its start until it serves. This machine may be busy. */
const startMs = 15_000;

/** What is left of a server when it is gone: its folder. */
export class StorageSite {
  readonly #folder: string;
  readonly #size: string;

  /** `size` is that of its disk storage, as in a configuration file. */
  constructor(folder: string, size: string) {
    this.#folder = folder;
    this.#size = size;
  }

  /** Begins to start a server; see {@link served}. */
  async launch(): Promise<BgdProcess> {
    await mkdir(this.#folder, { recursive: true });
    const config = join(this.#folder, 'bgd.yml');
    await writeFile(
      config,
      `server: [!channel {port: 0, address: 127.0.0.1, insecure-mode: true}]
instances:
  - name: ''
    storages: [!disk-storage &cas {path: ${join(this.#folder, 'cas')}, size: ${this.#size}}]
    services:
      - !cas {storage: *cas}
      - !bytestream {storage: *cas}
      - !action-cache {storage: *cas, path: ${join(this.#folder, 'ac')}}
`,
    );
    return new BgdProcess(['server', 'start', config], { home: this.#folder });
  }

  /** The URL of a server that was launched; rejects if it takes too long. */
  async served(server: BgdProcess): Promise<string> {
    const [, url = ''] = await withinTime(server.output('stdout', /^listening on (\S+)$/m));
    return url;
  }

  /** Nothing half-written is left (D3), once a server has started. */
  async checkNoTemporaryFile(): Promise<void> {
    for (const store of ['cas', 'ac']) {
      assert.deepEqual(await readdir(join(this.#folder, store, 'tmp')), [], `A temporary file is left in ${store}`);
    }
  }
}

async function withinTime<T>(doing: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The server does not serve within ${startMs} ms`)), startMs);
  });
  try {
    return await Promise.race([doing, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
