import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const runJs = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

/** What a `bgd` process is started with. */
export interface BgdOptions {
  /** Stands in for the home folder, so that nothing of the user's is read or written. */
  readonly home: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real `bgd` process, run from what `npm run build` made. Disposal kills it if it still runs. */
export class BgdProcess implements AsyncDisposable {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(args: readonly string[], { home, cwd = home, env = {} }: BgdOptions) {
    const { PATH = '' } = process.env;
    this.#child = spawn(process.execPath, [runJs, ...args], {
      cwd,
      env: { PATH, HOME: home, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when `pattern` has appeared in what the process wrote; rejects if it ends before. */
  async output(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    const over = new AbortController();
    void this.ended.then(() => over.abort());
    for (;;) {
      const found = pattern.exec(stream === 'stdout' ? this.#stdout : this.#stderr);
      if (found) return found;
      if (over.signal.aborted) break;
      await once(this.#child[stream]!, 'data', over).catch(() => undefined);
    }
    throw new Error(`The process ended without writing ${String(pattern)}:\n${this.#stdout}${this.#stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** Runs a `bgd` command to its end. */
export function runBgd(args: readonly string[], options: BgdOptions): Promise<Ended> {
  return new BgdProcess(args, options).ended;
}

/** Starts `bgd server start` and resolves with its URL once it serves. */
export async function startServer(
  args: readonly string[],
  options: BgdOptions,
): Promise<{ readonly process: BgdProcess; readonly url: string }> {
  const server = new BgdProcess(['server', 'start', ...args], options);
  const [, url = ''] = await server.output('stdout', /^listening on (\S+)$/m);
  return { process: server, url };
}

/** Starts `bgd bot host-tools` and resolves once it is connected. */
export async function startBot(args: readonly string[], options: BgdOptions): Promise<BgdProcess> {
  const bot = new BgdProcess(['bot', 'host-tools', ...args], options);
  await bot.output('stderr', /connected to/);
  return bot;
}
