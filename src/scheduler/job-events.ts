import type { Stage } from './stage.js';

/** Something happened to Jobs; told after it is durable. */
export type JobEvent =
  /** A Job waits for a bot; it may be handed out after `delayMs`. */
  | { readonly type: 'queued'; readonly platformKey: string; readonly delayMs: number }
  /** A Job has come to a stage, or one of its Operations has ended. */
  | { readonly type: 'stage'; readonly jobId: string; readonly stage: Stage }
  /** The server has something to tell the bot of a session: a Lease is cancelled, or the session is over. */
  | { readonly type: 'session'; readonly sessionName: string };

/** Tells of changes to Jobs, whoever made them. An event may come twice, or be lost where controllers are many. */
export interface JobEvents {
  /** Calls `listener` with each event until the subscription is disposed. It must not throw. */
  subscribe(listener: (event: JobEvent) => void): Disposable;
}

/** Events among the parts of one process. */
export class LocalJobEvents implements JobEvents {
  readonly #listeners = new Set<(event: JobEvent) => void>();

  publish(event: JobEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  subscribe(listener: (event: JobEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
