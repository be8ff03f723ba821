import assert from 'node:assert/strict';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpawnedCommand } from '../../scripts/spawned-command.js';
import { folderContents } from '../helpers/folder-contents.js';

/** The element that a build is asked for; it stands for the other two. */
const target = 'all.bst';

/** How many elements of a queue were worked on, and how many had nothing to be done. */
export interface QueueCount {
  readonly processed: number;
  readonly skipped: number;
}

/** One `bst build` that has ended well. */
export interface BuildStreamRun {
  readonly output: string;

  /** What BuildStream's own summary says of its queue `name`, such as `Pull`; zeros if it has none. */
  queue(name: string): QueueCount;
}

/** A project of three elements: two imports of local files, of which one has a large file, and a stack of them. */
export class BuildStreamProject {
  /** Elements of a build. */
  static readonly elements = 3;
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the project in `folder`, which must be fresh. */
  static async create(folder: string): Promise<BuildStreamProject> {
    for (const each of ['elements', 'small/sub', 'large']) await mkdir(join(folder, each), { recursive: true });
    const files = {
      'project.conf': 'name: sample\nformat-version: 12\nelement-path: elements\n',
      'elements/small.bst': 'kind: import\nsources:\n- {kind: local, path: small}\n',
      'elements/large.bst': 'kind: import\nsources:\n- {kind: local, path: large}\n',
      [`elements/${target}`]: 'kind: stack\ndepends: [small.bst, large.bst]\n',
      'small/text.txt': 'some text\n',
      'small/empty': '',
      'small/sub/run.sh': '#!/bin/sh\necho hello\n',
      'large/large.bin': Buffer.alloc(3_000_000, 'more than fits in a batch'),
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    await chmod(join(folder, 'small/sub/run.sh'), 0o755);
    await symlink('../text.txt', join(folder, 'small/sub/link'));
    return new BuildStreamProject(folder);
  }
}

/** Whose artifacts a machine uses. */
export interface ArtifactServer {
  /** As of `bgd server start`. */
  readonly url: string;
  readonly push: boolean;
}

/** A machine: BuildStream with a cache and a configuration of its own, all of it below one folder. */
export class BuildStreamMachine {
  readonly #project: BuildStreamProject;
  readonly #home: string;

  private constructor(project: BuildStreamProject, home: string) {
    this.#project = project;
    this.#home = home;
  }

  /** A machine that has built nothing yet, in `home`, which must be fresh. */
  static async create(
    project: BuildStreamProject,
    home: string,
    { url, push }: ArtifactServer,
  ): Promise<BuildStreamMachine> {
    await mkdir(join(home, 'config'), { recursive: true });
    const settings = `artifacts:\n- {url: '${url.replace(/^grpc:/, 'http:')}', push: ${push}}\n`;
    await writeFile(join(home, 'config/buildstream.conf'), settings);
    return new BuildStreamMachine(project, home);
  }

  async build(): Promise<BuildStreamRun> {
    const output = await this.#run('build', target);
    return { output, queue: (name) => queueIn(output, name) };
  }

  /** The files of the built target, as of {@link folderContents}. */
  async checkOut(): Promise<ReadonlyMap<string, string>> {
    const folder = join(this.#home, 'checked-out');
    await this.#run('checkout', target, folder);
    return folderContents(folder);
  }

  async #run(...args: readonly string[]): Promise<string> {
    const home = this.#home;
    const command = new SpawnedCommand(['bst', '--no-interactive', '--no-colors', ...args], {
      cwd: this.#project.folder,
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        HOME: home,
        XDG_CONFIG_HOME: join(home, 'config'),
        XDG_CACHE_HOME: join(home, 'cache'),
        XDG_DATA_HOME: join(home, 'data'),
        LANG: 'C.UTF-8',
      },
    });
    const exitCode = await command.ended;
    const output = command.stdout + command.stderr;
    assert.equal(exitCode, 0, output);
    return output;
  }
}

function queueIn(output: string, name: string): QueueCount {
  const line = new RegExp(`^ *${name} Queue: +processed (\\d+), skipped (\\d+), failed 0`, 'm').exec(output);
  return { processed: Number(line?.[1] ?? 0), skipped: Number(line?.[2] ?? 0) };
}
