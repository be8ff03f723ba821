import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** How a process is begun, where it is not as usual. */
export interface ChildOptions {
  /** Besides the one of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Told each piece that it writes to stderr, which else goes where that of this process goes. */
  readonly onError?: (text: string) => void;
}

/** A process that is measured from outside, by what the kernel counts. Disposal ends it. */
export class MeasuredProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #output = '';

  private constructor(argv: readonly string[], { environment, onError }: ChildOptions) {
    this.#child = spawn(process.execPath, argv, {
      cwd: repository,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', onError ? 'pipe' : 'inherit'],
    });
    if (onError) this.#child.stderr?.setEncoding('utf8').on('data', onError);
  }

  /** Starts Node with `argv` and resolves with the first group of `ready`, once it has appeared on stdout. */
  static async start(
    argv: readonly string[],
    ready: RegExp,
    options: ChildOptions = {},
  ): Promise<{ readonly process: MeasuredProcess; readonly found: string }> {
    const started = new MeasuredProcess(argv, options);
    started.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (started.#output += text));
    for (;;) {
      const found = ready.exec(started.#output)?.[1];
      if (found !== undefined) return { process: started, found };
      if (started.#child.exitCode !== null) throw new Error(`node ${argv.join(' ')} ended at once`);
      await Promise.race([once(started.#child.stdout!, 'data'), once(started.#child, 'exit')]);
    }
  }

  /** Processor time that all threads together have used so far, in milliseconds. */
  cpuMs(): number {
    const tasks = `/proc/${this.#child.pid}/task`;
    const nanoseconds = readdirSync(tasks).map((task) =>
      Number.parseInt(readFileSync(`${tasks}/${task}/schedstat`, 'utf8')),
    );
    return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e6;
  }

  /** What of its memory is in RAM. */
  rssBytes(): number {
    return this.#status('VmRSS');
  }

  /** Most that was in RAM since {@link forgetPeak}. */
  peakRssBytes(): number {
    return this.#status('VmHWM');
  }

  forgetPeak(): void {
    writeFileSync(`/proc/${this.#child.pid}/clear_refs`, '5');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  #status(field: string): number {
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
      readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'),
    );
    return Number(found?.[1]) * 1024;
  }
}
