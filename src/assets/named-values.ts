import { KeyedMutex } from '../common/keyed-mutex.js';
import { type Logger, silentLogger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import type { KeyedStore, PutOptions } from '../keyedstore/keyed-store.js';

/** How a value is understood. */
export interface ValueReader<Value> {
  /** Throws for bytes that are none. */
  decode(bytes: Uint8Array): Value;

  /** Says what is wrong with a value, or nothing. */
  faultOf(value: Value): Promise<string | undefined>;
}

/**
 * Values of a KeyedStore that go when they are found faulty. Somebody may mend or replace a value just then: it is looked at
 * once more while nobody of this process can change it. Changes by other servers are not guarded against.
 */
export class NamedValues {
  readonly #store: KeyedStore;
  readonly #logger: Logger;
  readonly #changes = new KeyedMutex();

  constructor(store: KeyedStore, logger: Logger = silentLogger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Returns a value without fault. Another is dropped, and counts as absent. */
  async get<Value>(key: string, reader: ValueReader<Value>, signal?: AbortSignal): Promise<Value | undefined> {
    const { value, fault } = await this.#look(key, reader, signal);
    if (fault === undefined) return value;
    const dropFaulty = async (): Promise<Value | undefined> => {
      const now = await this.#look(key, reader, signal);
      if (now.fault === undefined) return now.value;
      this.#logger.info({ key, fault: now.fault }, 'A name whose content is not whole is dropped');
      await this.#store.delete(key, signal);
      return undefined;
    };
    return this.#changes.exclusive(key, dropFaulty, signal);
  }

  /** Stores a value in place of any other. */
  async put(key: string, value: Uint8Array, options: PutOptions, signal?: AbortSignal): Promise<void> {
    await this.#changes.exclusive(key, () => this.#store.put(key, value, options, signal), signal);
  }

  /** Replaces a value by what `change` makes of it, unless that is nothing; concurrent calls follow each other. */
  async update(
    key: string,
    change: (bytes: Buffer | undefined) => Uint8Array | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const replace = async (): Promise<void> => {
      const value = change(await this.#store.get(key, signal));
      if (value) await this.#store.put(key, value, {}, signal);
    };
    await this.#changes.exclusive(key, replace, signal);
  }

  /** Forgets a value, whatever it is. */
  async delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#changes.exclusive(key, () => this.#store.delete(key, signal), signal);
  }

  async #look<Value>(
    key: string,
    reader: ValueReader<Value>,
    signal?: AbortSignal,
  ): Promise<{ readonly value?: Value; readonly fault?: string | undefined }> {
    const bytes = await this.#store.get(key, signal);
    if (!bytes) return {};
    let value: Value;
    try {
      value = reader.decode(bytes);
    } catch (reason) {
      return { fault: StatusError.from(reason).message };
    }
    return { value, fault: await reader.faultOf(value) };
  }
}
