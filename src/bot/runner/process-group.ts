import { errnoOf } from '../../common/status-error.js';

/** How long a group may take to end after SIGTERM before SIGKILL follows. */
export const terminationGraceMs = 3_000;

/**
 * The process group of a command: the command itself and all it has started, apart from what has left the group on
 * purpose (`setsid`), which only a sandbox can hold.
 */
export class ProcessGroup implements Disposable {
  readonly #id: number;
  #killTimer: NodeJS.Timeout | undefined;

  /** `id` is the process id of the leader. */
  constructor(id: number) {
    this.#id = id;
  }

  /** Asks the group to end, and ends it by force if it has not done so after `graceMs`. */
  terminate(graceMs = terminationGraceMs): void {
    this.#send('SIGTERM');
    this.#killTimer ??= setTimeout(() => this.kill(), graceMs);
  }

  /** Ends whatever is left of the group at once. */
  kill(): void {
    this[Symbol.dispose]();
    this.#send('SIGKILL');
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#killTimer);
  }

  #send(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.#id, signal);
    } catch (reason) {
      // Nobody is left, which is what is wanted. EPERM: only members of another user are, which no signal reaches.
      if (!['ESRCH', 'EPERM'].includes(errnoOf(reason) ?? '')) throw reason;
    }
  }
}
