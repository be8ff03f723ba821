import { existsSync } from 'node:fs';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SpawnedCommand } from '../../scripts/spawned-command.js';
import { leaveOut } from '../helpers/capabilities.js';
import { folderContents } from '../helpers/folder-contents.js';
import { repositoryRoot } from '../helpers/repository.js';

/** How moon is told of its remote cache. */
export interface MoonRemote {
  readonly url: string;
  readonly compression: 'none' | 'zstd';
  /** @defaultValue moon's own, `moon-outputs` */
  readonly instanceName?: string;
}

/** One invocation of moon that has ended. */
export interface MoonRun {
  readonly output: string;
  /** Tasks whose outputs came from the remote cache, as its closing list says. */
  readonly cachedFromRemote: number;
  /** What it warned of, such as that it gave up on the remote cache. */
  readonly warnings: readonly string[];
}

const program = join(repositoryRoot, 'node_modules/@moonrepo/core-linux-x64-gnu/moon');

/** Skips the suite or test of `context` where npm has no moon for this machine. */
export function needsMoon(context: Mocha.Context): void {
  if (!existsSync(program)) leaveOut(context, 'moon', 'what a real moon keeps (npm has none for this machine)');
}

const author = {
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@b.c',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@b.c',
};

/** A clone of the sample repository, with an output cache of its own. */
export class MoonClone {
  readonly #home: string;
  readonly #clone: string;

  private constructor(home: string, clone: string) {
    this.#home = home;
    this.#clone = clone;
  }

  /** Makes a clone in `folder`, which must not be there. In `home`, moon keeps plugins that it has compiled. */
  static async create(folder: string, home: string): Promise<MoonClone> {
    const moon = new MoonClone(home, folder);
    await cp(join(repositoryRoot, 'test/fixtures/moon'), moon.#clone, { recursive: true });
    await moon.#run(['git', 'init', '-q', '-b', 'main']);
    await moon.#run(['git', 'add', '-A']);
    await moon.#run(['git', 'commit', '-q', '-m', 'All']);
    return moon;
  }

  /** Runs all tasks. */
  async run({ url, compression, instanceName }: MoonRemote): Promise<MoonRun> {
    const output = await this.#run([program, 'run', ':sorted', ':folder', ':large'], {
      MOON_REMOTE_HOST: url,
      MOON_REMOTE_CACHE_COMPRESSION: compression,
      ...(instanceName !== undefined && { MOON_REMOTE_CACHE_INSTANCE_NAME: instanceName }),
    });
    return {
      output,
      cachedFromRemote: output.match(/\(cached from remote,/g)?.length ?? 0,
      warnings: output.split('\n').filter((line) => line.includes('WARN')),
    };
  }

  /** SHA-256 of each file of the project by its path. */
  built(): Promise<Map<string, string>> {
    return folderContents(join(this.#clone, 'app'));
  }

  /** Files with moon's own manifests. Each is named for its hash, and stands where REAPI wants an Action. */
  async manifests(): Promise<readonly string[]> {
    const folder = join(this.#clone, '.moon/cache/hashes');
    return (await readdir(folder)).map((name) => join(folder, name));
  }

  async #run(command: readonly [string, ...string[]], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const spawned = new SpawnedCommand(command, {
      cwd: this.#clone,
      // CI is not set: with it, moon silently leaves a cache on the loopback alone.
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: this.#home, NO_COLOR: '1', ...author, ...env },
    });
    const exitCode = await spawned.ended;
    const output = spawned.stdout + spawned.stderr;
    if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}: ${output}`);
    return output;
  }
}
