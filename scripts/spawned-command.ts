import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** How a {@link SpawnedCommand} is started. */
export interface SpawnedCommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** How long {@link SpawnedCommand.stop} waits after SIGTERM before it kills. @defaultValue 10 s */
  readonly graceMs?: number;
}

/** A real process that leads its own process group, with what it printed so far. Disposal stops the whole group. */
export class SpawnedCommand implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  readonly #graceMs: number;
  #stdout = '';
  #stderr = '';

  constructor(command: readonly [string, ...string[]], { cwd, env, graceMs = 10_000 }: SpawnedCommandOptions = {}) {
    const [program, ...args] = command;
    this.#graceMs = graceMs;
    this.#child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      // As a shell says it: 128 + n for signal n.
      this.#child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
    });
    this.#ended.catch(() => undefined);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The exit code, once the process has ended and all its output was read. Rejects if it could not be started. */
  get ended(): Promise<number> {
    return this.#ended;
  }

  /** Resolves with the first match of `pattern` in what `stream` prints. Rejects when the process ends without it. */
  async match(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    const source = this.#child[stream];
    const over = this.#ended.then(() => undefined);
    for (;;) {
      const printed = source && !source.readableEnded ? once(source, 'data') : over;
      const match = pattern.exec(this[stream]);
      if (match) return match;
      if ((await Promise.race([printed, over])) === undefined && !pattern.test(this[stream])) {
        throw new Error(`Ended without printing ${String(pattern)} on ${stream}:\n${this.#stderr}`);
      }
    }
  }

  /** Sends `signal` to the whole process group; one that is gone is ignored. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // ESRCH: nobody is left.
    }
  }

  /** SIGTERM to the leader, time to finish, then SIGKILL to whoever is left of the group. Returns the exit code. */
  async stop(): Promise<number> {
    if (this.#child.pid === undefined) return 127;
    this.#child.kill('SIGTERM');
    const graceOver = new AbortController();
    const grace = delay(this.#graceMs, undefined, { signal: graceOver.signal }).catch(() => undefined);
    await Promise.race([this.#ended, grace]);
    graceOver.abort();
    this.kill('SIGKILL');
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
