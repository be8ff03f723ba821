import { setMaxListeners } from 'node:events';
import { Code, codeName, codeOf } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import { rwapi } from '../proto/index.js';
import type { ActionExecutor } from './action-executor.js';
import { executeLease, type LeaseReport } from './execute-lease.js';

const { PENDING, ACTIVE, COMPLETED, CANCELLED } = rwapi.LeaseState;

/** What a {@link LeaseSlot} works with. */
export interface LeaseSlotOptions {
  readonly executor: ActionExecutor;
  readonly logger: Logger;
  /** Is told when the lease has something to report. */
  readonly onChange: () => void;
}

/** The lease at hand. */
interface HeldLease {
  readonly id: string;
  readonly work: AbortController;
  state: typeof ACTIVE | typeof COMPLETED | typeof CANCELLED;
  report: LeaseReport;
}

/**
 * The one lease of a session (RW-12), from its acceptance until the server has taken its report. A new lease may be
 * accepted while the work of a cancelled one is still being stopped; its own work then starts after that.
 */
export class LeaseSlot {
  readonly #options: LeaseSlotOptions;
  #held: HeldLease | undefined;
  #settled: Promise<void> = Promise.resolve();

  constructor(options: LeaseSlotOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#held === undefined;
  }

  get isActive(): boolean {
    return this.#held?.state === ACTIVE;
  }

  /** What the session has to tell of its leases. */
  report(): rwapi.Lease.$Properties[] {
    return this.#held ? [{ id: this.#held.id, state: this.#held.state, ...this.#held.report }] : [];
  }

  /** Takes in the leases as the server sees them: it may drop or cancel the one at hand, and offer a new one. */
  reconcile(leases: readonly rwapi.Lease.$Properties[], { accepts }: { readonly accepts: boolean }): void {
    this.#reconcileHeld(leases.find(({ id }) => id === this.#held?.id)?.state);
    const offered = leases.find(({ state }) => state === PENDING);
    if (accepts && !this.#held && offered) this.#accept(offered);
  }

  /** Stops the work; the lease then ends with `reason`. */
  stop(reason: StatusError): void {
    this.#held?.work.abort(reason);
  }

  /** Stops the work and forgets the lease: nobody wants to hear of it any more. */
  abandon(): void {
    this.stop(new StatusError(Code.Cancelled, 'The session of the lease has ended'));
    this.#held = undefined;
  }

  /** Resolves when no work is going on. */
  async settled(): Promise<void> {
    await this.#settled;
  }

  #reconcileHeld(seen: rwapi.LeaseState | null | undefined): void {
    const held = this.#held;
    if (!held) return;
    // RW-6: a report is taken, or refused for good, once the server no longer waits for it.
    const isTaken = held.state !== ACTIVE && (seen === undefined || seen === CANCELLED || seen === held.state);
    if (isTaken) {
      this.#held = undefined;
    } else if (held.state === ACTIVE && seen === undefined) {
      this.#options.logger.debug({ lease: held.id }, 'Lease was taken away');
      this.abandon();
    } else if (held.state === ACTIVE && seen === CANCELLED) {
      this.#options.logger.debug({ lease: held.id }, 'Lease was cancelled');
      held.state = CANCELLED;
      this.stop(new StatusError(Code.Cancelled, 'The lease was cancelled'));
    }
  }

  #accept({ id, payload }: rwapi.Lease.$Properties): void {
    const held: HeldLease = { id: id ?? '', work: new AbortController(), state: ACTIVE, report: {} };
    setMaxListeners(0, held.work.signal); // Hundreds of reads side by side listen to it: no leak.
    this.#held = held;
    this.#options.logger.debug({ lease: held.id }, 'Lease accepted');
    this.#settled = this.#work(held, payload, this.#settled);
  }

  async #work(held: HeldLease, payload: rwapi.Lease.$Properties['payload'], previous: Promise<void>): Promise<void> {
    await previous;
    const report = await executeLease(payload, this.#options.executor, held.work.signal);
    if (held !== this.#held || held.state !== ACTIVE) return;
    held.state = COMPLETED;
    held.report = report;
    this.#log(held);
    this.#options.onChange();
  }

  #log({ id: lease, work, report: { status } }: HeldLease): void {
    const code = codeOf(status?.code);
    const fields = { lease, code: codeName(code), ...(status?.message && { reason: status.message }) };
    const isWorkersFault = code === Code.Unavailable || code === Code.Internal || code === Code.Unknown;
    if (isWorkersFault && !work.signal.aborted) this.#options.logger.warn(fields, 'Lease failed');
    else this.#options.logger.debug(fields, 'Lease completed');
  }
}
