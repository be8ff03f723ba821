import type { Logger } from './logger.js';

/** Tells the log once that something a store depends on has gone away, and once that it is back (U5). */
export class OutageLog {
  readonly #logger: Logger;
  readonly #service: string;
  #isAway = false;

  /** `service` names it to a person, and holds no secret. */
  constructor(service: string, logger: Logger) {
    this.#service = service;
    this.#logger = logger;
  }

  /** A call has failed for `reason`, a sentence that may stand in a log (S6). */
  failed(reason: string): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#logger.error({ service: this.#service, reason }, 'A service that stores depend on fails');
  }

  /** A call has succeeded. */
  answered(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#logger.info({ service: this.#service }, 'A service that stores depend on answers again');
  }
}
