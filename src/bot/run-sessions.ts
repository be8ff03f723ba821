import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import type { ClientOptions } from '../client/client.js';
import { systemClock } from '../common/clock.js';
import type { Logger } from '../common/logger.js';
import type { ActionExecutor } from './action-executor.js';
import { BotSessionLoop, type StopSignals } from './bot-session-loop.js';
import type { Bots } from './bots.js';
import { workerOf, workerProperties, type WorkerProperty } from './worker-properties.js';

/** What every kind of bot runs with. */
export interface SessionsOptions {
  /** Where the Bots service is. Its instance name is the one that the bot works for. */
  readonly client: ClientOptions;
  /** How many actions are executed side by side: a session each (RW-12). */
  readonly concurrency: number;
  /** Offered besides what the bot finds out about the machine. */
  readonly properties: readonly WorkerProperty[];
  /** Is told once all sessions are there. */
  readonly onConnected?: () => void;
}

/** What the sessions of a bot have in common. */
export interface SessionsParts {
  readonly bots: Bots;
  /** Unique among all bots of the server; each session adds its number. */
  readonly name: string;
  readonly executorOf: (botId: string) => ActionExecutor;
  readonly logger: Logger;
}

/** Keeps the sessions of a bot until it is stopped. Rejects if the server refuses one of them. */
export async function runSessions(options: SessionsOptions, parts: SessionsParts, stop: StopSignals): Promise<void> {
  const refusal = new AbortController();
  const cancel = AbortSignal.any([stop.cancel, refusal.signal]);
  setMaxListeners(0, stop.drain, cancel); // A listener a session is no leak.
  const runs = createLoops(options, parts).map(async (loop) => {
    try {
      await loop.run({ drain: stop.drain, cancel });
    } catch (reason) {
      refusal.abort();
      throw reason;
    }
  });
  const failed = (await Promise.allSettled(runs)).find((run) => run.status === 'rejected');
  if (failed) throw failed.reason;
}

function createLoops(options: SessionsOptions, parts: SessionsParts): readonly BotSessionLoop[] {
  const { client, concurrency, properties, onConnected } = options;
  const { bots, name, executorOf, logger } = parts;
  const parent = client.instanceName ?? '';
  const worker = workerOf(hostname(), workerProperties(properties));
  let connecting = concurrency;
  return Array.from({ length: concurrency }, (_, slot) => {
    const botId = `${name}/${slot + 1}`;
    return new BotSessionLoop({
      bots,
      executor: executorOf(botId),
      clock: systemClock,
      logger,
      parent,
      botId,
      worker,
      onConnected: () => {
        connecting -= 1;
        if (connecting === 0) onConnected?.();
      },
    });
  });
}
