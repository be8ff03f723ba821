import { randomBytes } from 'node:crypto';
import type { Sql } from '../sql/database.js';
import { maxPayloadBytes, type PostgresListener } from '../sql/postgres-listener.js';
import { decodeEvents, encodeEvents } from './job-event-message.js';
import { LocalJobEvents, type JobEvent, type JobEventBus } from './job-events.js';

/** Events among controllers over one PostgreSQL database. Those of this process are told directly, and only once. */
export class SharedJobEvents implements JobEventBus {
  readonly #local = new LocalJobEvents();
  readonly #listener: PostgresListener;
  readonly #sender = randomBytes(6).toString('base64url');

  /** `listener` stays open when this is no longer used. */
  constructor(listener: PostgresListener) {
    this.#listener = listener;
    listener.tell({
      receive: (payload) => this.#receive(payload),
      reconnected: (wasAlone) => this.publish({ type: 'gap', wasAlone }),
    });
  }

  get isConnected(): boolean {
    return this.#listener.isConnected;
  }

  get wasAlone(): boolean {
    return this.#listener.wasAlone;
  }

  async announce(sql: Sql, events: readonly JobEvent[]): Promise<void> {
    const payloads = encodeEvents(this.#sender, events, maxPayloadBytes);
    if (payloads.length > 0) await this.#listener.send(sql, payloads);
  }

  publish(event: JobEvent): void {
    this.#local.publish(event);
  }

  subscribe(listener: (event: JobEvent) => void): Disposable {
    return this.#local.subscribe(listener);
  }

  #receive(payload: string): void {
    const { sender, events } = decodeEvents(payload);
    if (sender === this.#sender) return;
    for (const event of events) this.publish(event);
  }
}
