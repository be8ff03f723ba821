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
  readonly #made = new Map<number | string, Promise<unknown>>();

  constructor(lifecycle: Lifecycle, logger: Logger) {
    this.lifecycle = lifecycle;
    this.logger = logger;
  }

  /** Calls `create` the first time that it sees `config`, and returns the same object from then on. */
  once<Config extends Identified, Made>(config: Config, create: (config: Config) => Promise<Made>): Promise<Made> {
    return this.#makeOnce(config.node, () => create(config));
  }

  /** Calls `create` the first time that it sees `settings`, and returns the same object for equal ones from then on. */
  shared<Made>(settings: readonly unknown[], create: () => Promise<Made>): Promise<Made> {
    return this.#makeOnce(JSON.stringify(settings), create);
  }

  #makeOnce<Made>(key: number | string, create: () => Promise<Made>): Promise<Made> {
    const known = this.#made.get(key) as Promise<Made> | undefined;
    const made = known ?? create();
    this.#made.set(key, made);
    return made;
  }
}
