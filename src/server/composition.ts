import type { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';

/** A part of a configuration that is an object of its own, and the same one wherever its anchor is named. */
interface Identified {
  readonly node: number;
}

/** What the `create-*` functions share while they make objects of one configuration. */
export class Composition {
  readonly logger: Logger;
  /** Owns everything that is opened. */
  readonly lifecycle: Lifecycle;
  readonly #made = new Map<number, Promise<unknown>>();

  constructor(lifecycle: Lifecycle, logger: Logger) {
    this.lifecycle = lifecycle;
    this.logger = logger;
  }

  /** Calls `create` the first time that it sees `config`, and returns the same object from then on. */
  once<Config extends Identified, Made>(config: Config, create: (config: Config) => Promise<Made>): Promise<Made> {
    const known = this.#made.get(config.node) as Promise<Made> | undefined;
    const made = known ?? create(config);
    this.#made.set(config.node, made);
    return made;
  }
}
