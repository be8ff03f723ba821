import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { BgdProcess, type Ended } from '../helpers/bgd-process.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { CommandServer, type CommandServerOptions } from './command-server.js';

/** A server, a folder to work in, and the real `bgd` to run there. */
export class CommandHarness implements AsyncDisposable {
  readonly server: CommandServer;
  /** The folder that commands run in. */
  readonly folder: string;
  readonly #home: string;
  readonly #lifecycle: Lifecycle;

  private constructor(server: CommandServer, path: string, lifecycle: Lifecycle) {
    this.server = server;
    this.folder = join(path, 'work');
    this.#home = join(path, 'home');
    this.#lifecycle = lifecycle;
  }

  static async create(options?: CommandServerOptions): Promise<CommandHarness> {
    const lifecycle = new Lifecycle();
    const { path } = lifecycle.use(await temporaryDirectory());
    const harness = new CommandHarness(lifecycle.use(await CommandServer.listen(options)), path, lifecycle);
    await mkdir(harness.folder);
    await mkdir(harness.#home);
    return harness;
  }

  /** Starts a command that talks to the server. */
  start(...args: readonly string[]): BgdProcess {
    return this.startWith({}, ...args);
  }

  /** The same with environment variables. */
  startWith(env: Readonly<Record<string, string>>, ...args: readonly string[]): BgdProcess {
    const options = { home: this.#home, cwd: this.folder, env: { BGD_REMOTE: this.server.url, ...env } };
    return this.#lifecycle.use(new BgdProcess(args, options));
  }

  /** Runs a command to its end. */
  run(...args: readonly string[]): Promise<Ended> {
    return this.start(...args).ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifecycle[Symbol.asyncDispose]();
  }
}
