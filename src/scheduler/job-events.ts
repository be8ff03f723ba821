import type { Sql } from '../sql/database.js';
import type { Stage } from './stage.js';

/** Something happened to Jobs; told after it is durable. */
export type JobEvent =
  /**
   * A Job waits for a bot; it may be handed out after `delayMs`. Which bot is well prepared is told within this process only:
   * it is a hint.
   */
  | {
      readonly type: 'queued';
      readonly platformKey: string;
      readonly delayMs: number;
      readonly affinityKey?: string | undefined;
    }
  /** A Job has come to a stage, or one of its Operations has ended. */
  | { readonly type: 'stage'; readonly jobId: string; readonly stage: Stage }
  /** The server has something to tell the bot of a session: a Lease is cancelled, or the session is over. */
  | { readonly type: 'session'; readonly sessionName: string }
  /**
   * Events of others may have been missed: whoever waits looks again. `wasAlone` says that no other controller was there to
   * hear bots meanwhile.
   */
  | { readonly type: 'gap'; readonly wasAlone: boolean };

/**
 * Tells of changes to Jobs, whoever made them. An event may come twice. Where controllers are many one may be lost, and
 * then a `gap` follows.
 */
export interface JobEvents {
  /** Calls `listener` with each event until the subscription is disposed. It must not throw. */
  subscribe(listener: (event: JobEvent) => void): Disposable;

  /** Whether changes that others make are heard of now. */
  readonly isConnected: boolean;

  /** Whether no other controller was there when this one began to listen. */
  readonly wasAlone: boolean;
}

/** Where a store tells what it changes. */
export interface JobEventBus extends JobEvents {
  /** Called at the end of the transaction that changes something, so that other processes hear of it if it is committed. */
  announce(sql: Sql, events: readonly JobEvent[]): Promise<void>;

  /** Tells this process what is durable. */
  publish(event: JobEvent): void;
}

/** Events among the parts of one process. */
export class LocalJobEvents implements JobEventBus {
  readonly isConnected = true;
  readonly wasAlone = true;
  readonly #listeners = new Set<(event: JobEvent) => void>();

  announce(): Promise<void> {
    return Promise.resolve();
  }

  publish(event: JobEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  subscribe(listener: (event: JobEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
