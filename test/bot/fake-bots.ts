import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { UpdateOptions } from '../../src/client/bots-client.js';
import type { Bots } from '../../src/bot/bots.js';
import { rwapi } from '../../src/proto/index.js';

/** A call that waits for the test to answer it. */
export interface PendingCall {
  readonly method: 'create' | 'update';
  readonly session: rwapi.BotSession.$Properties;
  readonly parent: string | undefined;
  readonly options: UpdateOptions;
  /** Whether the bot has hung up. */
  readonly isAborted: boolean;
  answer(...leases: rwapi.Lease.$Properties[]): void;
  fail(code: Code): void;
}

/** A Bots service whose every answer the test gives by hand. */
export class FakeBots implements Bots {
  readonly #calls: PendingCall[] = [];
  readonly #takers: ((call: PendingCall) => void)[] = [];

  createBotSession(
    { parent, botSession }: rwapi.CreateBotSessionRequest.$Properties,
    options: UpdateOptions,
    signal?: AbortSignal,
  ): Promise<rwapi.BotSession> {
    return this.#call({ method: 'create', session: botSession ?? {}, parent: parent ?? undefined, options }, signal);
  }

  updateBotSession(
    { botSession }: rwapi.UpdateBotSessionRequest.$Properties,
    options: UpdateOptions,
    signal?: AbortSignal,
  ): Promise<rwapi.BotSession> {
    return this.#call({ method: 'update', session: botSession ?? {}, parent: undefined, options }, signal);
  }

  /** The next call that the test has not seen yet, as soon as the bot makes it. */
  next(): Promise<PendingCall> {
    const call = this.#calls.shift();
    return call ? Promise.resolve(call) : new Promise((resolve) => this.#takers.push(resolve));
  }

  #call(
    facts: Pick<PendingCall, 'method' | 'session' | 'parent' | 'options'>,
    signal?: AbortSignal,
  ): Promise<rwapi.BotSession> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new StatusError(Code.Cancelled, 'The bot hung up')));
      const call: PendingCall = {
        ...facts,
        get isAborted() {
          return signal?.aborted ?? false;
        },
        answer: (...leases) => resolve(rwapi.BotSession.fromObject({ ...facts.session, name: 'session', leases })),
        fail: (code) => reject(new StatusError(code, 'Told to fail')),
      };
      const taker = this.#takers.shift();
      if (taker) taker(call);
      else this.#calls.push(call);
    });
  }
}
