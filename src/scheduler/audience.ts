import type { Clock } from '../common/clock.js';
import type { JobStore } from './job-store.js';

/** What an {@link Audience} depends on. */
export interface AudienceOptions {
  readonly store: Pick<JobStore, 'watches' | 'events'>;
  readonly clock: Clock;
  /** How long an Operation goes on that nobody watches, in milliseconds; 0 means for ever. */
  readonly cancelUnwatchedAfterMs: number;
  /** How often {@link Audience.tend} is called. */
  readonly sweepMs: number;
}

/** So often what is watched is told to the store, at the most. */
const maxIntervalMs = 30_000;

/**
 * Who of this process' clients watches which Operation: by a stream, or by asking now and then. It is told to the store, which
 * knows by that what nobody watches on any controller; that is cancelled, if it is wanted so (EX-8).
 *
 * An Operation goes on for the wanted time after its last stream ended or its state was asked for, even if this process ends at that moment:
 * what is told holds for an interval more.
 */
export class Audience {
  readonly #options: AudienceOptions;
  readonly #intervalMs: number;
  /** How many streams follow each Operation. */
  readonly #streams = new Map<string, number>();
  /** Those that somebody has watched since the store was told. */
  #seen = new Set<string>();
  #toldAtMs = -Infinity;
  /** Whether nobody could watch anything. */
  #mustExtend = false;
  /** Whether the last round went well: after an outage the other controllers have a round to tell what they have. */
  #isSteady = false;

  constructor(options: AudienceOptions) {
    this.#options = options;
    const { cancelUnwatchedAfterMs, sweepMs } = options;
    this.#intervalMs = Math.max(sweepMs, Math.min(cancelUnwatchedAfterMs / 4, maxIntervalMs));
  }

  /** For how long an Operation goes on from now; `undefined` means for ever. */
  get patienceMs(): number | undefined {
    const { cancelUnwatchedAfterMs } = this.#options;
    return cancelUnwatchedAfterMs > 0 ? cancelUnwatchedAfterMs + this.#intervalMs : undefined;
  }

  /** Passes on what a stream tells of an Operation, which is watched until the stream ends. */
  watch<State>(
    operationId: string,
    states: AsyncGenerator<State, void, undefined>,
  ): AsyncGenerator<State, void, undefined> {
    return this.patienceMs === undefined ? states : this.#watch(operationId, states);
  }

  /** Somebody has asked for the state of an Operation. */
  note(operationId: string): void {
    if (this.patienceMs !== undefined) this.#seen.add(operationId);
  }

  /** There was no server that clients could have come to: all Operations get their whole time again, with the next round. */
  extendAll(): void {
    this.#mustExtend = true;
  }

  /** Tells the store what is watched here, and cancels what nobody watches anywhere. Returns how many Operations. */
  async tend(): Promise<number> {
    const { store, clock } = this.#options;
    const { patienceMs } = this;
    if (patienceMs === undefined || clock.now() - this.#toldAtMs < this.#intervalMs) return 0;
    const wasSteady = this.#isSteady;
    this.#isSteady = false;
    // What keeps us from hearing others may keep clients from us.
    if (!store.events.isConnected) return 0;
    const toldAtMs = clock.now();
    await this.#tell(patienceMs);
    const cancelled = wasSteady ? await this.#cancelUnwatched() : 0;
    this.#toldAtMs = toldAtMs;
    this.#isSteady = true;
    return cancelled;
  }

  async #tell(patienceMs: number): Promise<void> {
    const { watches } = this.#options.store;
    if (this.#mustExtend) await watches.extendAll(patienceMs);
    this.#mustExtend = false;
    const seen = this.#seen;
    this.#seen = new Set();
    const watched = [...new Set([...this.#streams.keys(), ...seen])];
    try {
      // Also if there is nothing to tell: who cannot reach the store must not take the last round for a good one.
      await watches.extend(watched, patienceMs);
    } catch (reason) {
      for (const operationId of seen) this.#seen.add(operationId);
      throw reason;
    }
  }

  async #cancelUnwatched(): Promise<number> {
    let total = 0;
    for (let isOver = false; !isOver;) {
      const { cancelled, hasMore } = await this.#options.store.watches.cancelUnwatched();
      total += cancelled;
      isOver = !hasMore;
    }
    return total;
  }

  async *#watch<State>(
    operationId: string,
    states: AsyncGenerator<State, void, undefined>,
  ): AsyncGenerator<State, void, undefined> {
    this.#streams.set(operationId, (this.#streams.get(operationId) ?? 0) + 1);
    try {
      yield* states;
    } finally {
      this.#leave(operationId);
    }
  }

  #leave(operationId: string): void {
    const streams = (this.#streams.get(operationId) ?? 0) - 1;
    if (streams > 0) this.#streams.set(operationId, streams);
    else this.#streams.delete(operationId);
    this.note(operationId);
  }
}
