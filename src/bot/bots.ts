import type { rwapi } from '../proto/index.js';

/** How long the server may hold a call, and whether it should although a lease is running (RW-5). */
export interface BotCallOptions {
  readonly deadlineMs: number;
  readonly holdBusy?: boolean;
}

/** The Bots service as a bot sees it. Calls reject with a StatusError and are not repeated. */
export interface Bots {
  createBotSession(
    request: rwapi.CreateBotSessionRequest.$Properties,
    options: BotCallOptions,
    signal?: AbortSignal,
  ): Promise<rwapi.BotSession>;

  updateBotSession(
    request: rwapi.UpdateBotSessionRequest.$Properties,
    options: BotCallOptions,
    signal?: AbortSignal,
  ): Promise<rwapi.BotSession>;
}
