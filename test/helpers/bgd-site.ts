import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { BgdProcess, startBot, startServer } from './bgd-process.js';
import { temporaryDirectory } from './temporary-directory.js';

/** A port that was free a moment ago: for a server that has to come back on the one it had. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  server.close();
  await once(server, 'close');
  return address.port;
}

/** A home folder, and the processes that a test starts in it. Disposal kills them and removes the folder. */
export class BgdSite implements AsyncDisposable {
  readonly home: string;
  readonly #lifecycle: Lifecycle;

  private constructor(home: string, lifecycle: Lifecycle) {
    this.home = home;
    this.#lifecycle = lifecycle;
  }

  static async create(): Promise<BgdSite> {
    const lifecycle = new Lifecycle();
    const folder = lifecycle.use(await temporaryDirectory());
    return new BgdSite(folder.path, lifecycle);
  }

  path(...names: string[]): string {
    return join(this.home, ...names);
  }

  async write(name: string, content: string): Promise<string> {
    const path = this.path(name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  /** Makes a pipe with a name: who opens one end waits until the other is opened, too. */
  fifo(name: string): string {
    const path = this.path(name);
    execFileSync('mkfifo', [path]);
    return path;
  }

  /** Starts a `bgd` command in the home folder. */
  bgd(args: readonly string[], env: Readonly<Record<string, string>> = {}): BgdProcess {
    return this.#lifecycle.use(new BgdProcess(args, { home: this.home, env }));
  }

  /** Starts a server that keeps its data in `data`, and waits until it serves. */
  async serve(
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ process: BgdProcess; url: string }> {
    const defaults = ['--listen', '127.0.0.1:0', '--data-dir', this.path('data')];
    const given = new Set(args);
    const flags = defaults.filter((flag, index) => !given.has(index % 2 === 0 ? flag : (defaults[index - 1] ?? '')));
    const server = await startServer([...args, ...flags], { home: this.home, env });
    this.#lifecycle.use(server.process);
    return server;
  }

  /** Starts a bot that works in `work`, and waits until it is connected. */
  async work(url: string, ...args: string[]): Promise<BgdProcess> {
    const flags = ['--remote', url, '--work-dir', this.path('work')];
    return this.#lifecycle.use(await startBot([...flags, ...args], { home: this.home }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifecycle[Symbol.asyncDispose]();
  }
}
