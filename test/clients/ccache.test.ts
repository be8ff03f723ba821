import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpawnedCommand } from '../../scripts/spawned-command.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { needsProgram } from '../helpers/capabilities.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { startHttpCache } from './http-cache-server.js';

const sources = ['one', 'two', 'three'];

/** A machine: its own local cache, the same sources at the same place. */
class Machine {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(folder: string, name: string, url: string) {
    this.#folder = folder;
    const storage = `${url}/ccache`;
    this.#env = {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: folder,
      CCACHE_DIR: join(folder, `ccache-${name}`),
      CCACHE_REMOTE_STORAGE: storage,
      // The name of the same setting before version 4.7.
      CCACHE_SECONDARY_STORAGE: storage,
    };
  }

  /** Compiles all sources and returns the objects. */
  async compile(): Promise<Map<string, Buffer>> {
    const objects = new Map<string, Buffer>();
    for (const name of sources) {
      await this.#run('ccache', 'gcc', '-c', `${name}.c`, '-o', `${name}.o`);
      objects.set(name, await readFile(join(this.#folder, `${name}.o`)));
    }
    return objects;
  }

  /** ccache's own count of what it has seen. */
  async statistics(): Promise<(name: string) => number> {
    const text = await this.#run('ccache', '--print-stats');
    return (name) => Number(new RegExp(`^${name}\\t(\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
  }

  async #run(program: string, ...args: readonly string[]): Promise<string> {
    const command = new SpawnedCommand([program, ...args], { cwd: this.#folder, env: this.#env });
    assert.equal(await command.ended, 0, command.stderr);
    return command.stdout;
  }
}

describe('ccache with its remote storage in an HTTP cache', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let folder: string;
  let compiled: Map<string, Buffer>;

  before(async function () {
    needsProgram(this, 'ccache', 'what a real ccache keeps in the HTTP cache');
    needsProgram(this, 'gcc', 'what a real ccache keeps in the HTTP cache');
    folder = lifecycle.use(await temporaryDirectory()).path;
    for (const [index, name] of sources.entries()) {
      await writeFile(join(folder, `${name}.c`), `int ${name}(int x) { return x + ${index}; }\n`);
    }
    await mkdir(join(folder, 'data'));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('misses on an empty cache and fills it', async () => {
    await using server = await startHttpCache(folder);
    const machine = new Machine(folder, 'first', server.url);

    compiled = await machine.compile();

    const count = await machine.statistics();
    assert.equal(count('remote_storage_hit'), 0);
    assert.equal(count('remote_storage_miss'), sources.length);
    // A manifest and a result for each.
    assert.equal(count('remote_storage_write'), 2 * sources.length);
    assert.equal(count('remote_storage_error'), 0);
  });

  it('hits on another machine, after a restart of the server, with the same objects', async () => {
    await using server = await startHttpCache(folder);
    const machine = new Machine(folder, 'second', server.url);

    const objects = await machine.compile();

    const count = await machine.statistics();
    assert.equal(count('remote_storage_hit'), sources.length);
    assert.equal(count('remote_storage_miss'), 0);
    assert.equal(count('remote_storage_error'), 0);
    assert.deepEqual(objects, compiled);
  });
});
