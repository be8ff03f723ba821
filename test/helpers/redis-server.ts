import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './bgd-site.js';
import { temporaryDirectory } from './temporary-directory.js';

/** How a {@link RedisServer} is started. */
export interface RedisServerOptions {
  readonly password?: string;
  readonly config?: readonly string[];
}

/** Debian's redis-server on a free port of the loopback, in memory only. It can be killed and started again. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #options: RedisServerOptions;
  readonly #folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  #child: ChildProcess | undefined;

  private constructor(
    port: number,
    folder: Awaited<ReturnType<typeof temporaryDirectory>>,
    options: RedisServerOptions,
  ) {
    this.port = port;
    this.#folder = folder;
    this.#options = options;
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await temporaryDirectory(), options);
    await server.start();
    return server;
  }

  /** Starts it on the port that it had, empty. */
  async start(): Promise<void> {
    const { password, config = [] } = this.#options;
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder.path];
    args.push('--save', '', '--appendonly', 'no', ...(password === undefined ? [] : ['--requirepass', password]));
    const child = spawn('redis-server', [...args, ...config], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    let said = '';
    for await (const text of child.stdout) if ((said += String(text)).includes('Ready to accept connections')) break;
    assert.match(said, /Ready to accept connections/);
  }

  /** Kills it, as the kernel would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Lets it stand still, with its connections open; SIGCONT lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGKILL');
    await this.#folder[Symbol.asyncDispose]();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
