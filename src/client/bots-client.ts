import type { rwapi } from '../proto/index.js';
import { headerNames } from '../proto/wire-names.js';
import type { Channel } from './channel.js';
import { methods } from './method.js';

/** How a Bots call is made. */
export interface BotCallOptions {
  /** How long the server may hold the call, in milliseconds from now; DEADLINE_EXCEEDED then means "no work yet". */
  readonly deadlineMs: number;
}

/** How an UpdateBotSession call is made. */
export interface UpdateOptions extends BotCallOptions {
  /** Asks the server to hold the call although leases are running (RW-5): for bots that abort it to report. */
  readonly holdBusy?: boolean;
}

/** The Bots service of a server. Nothing is repeated: only the bot knows what its session still holds. */
export class BotsClient {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Registers a worker; the answer may carry work already (RW-1). */
  createBotSession(
    request: rwapi.CreateBotSessionRequest.$Properties,
    { deadlineMs }: BotCallOptions,
    signal?: AbortSignal,
  ): Promise<rwapi.BotSession> {
    return this.#channel.unary(methods.createBotSession, request, { timeoutMs: deadlineMs }, signal);
  }

  /** Reports all leases and returns the session as the server sees it (RW-2). */
  updateBotSession(
    request: rwapi.UpdateBotSessionRequest.$Properties,
    { deadlineMs, holdBusy = false }: UpdateOptions,
    signal?: AbortSignal,
  ): Promise<rwapi.BotSession> {
    const options = { timeoutMs: deadlineMs, headers: holdBusy ? { [headerNames.holdBusy]: '1' } : {} };
    return this.#channel.unary(methods.updateBotSession, request, options, signal);
  }
}
