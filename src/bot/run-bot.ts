import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { Client, type ClientOptions } from '../client/client.js';
import { systemClock } from '../common/clock.js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import { BotSessionLoop, type StopSignals } from './bot-session-loop.js';
import { HostToolsExecutor } from './executors/host-tools-executor.js';
import { WorkFolder } from './work-folder.js';
import { workerOf, workerProperties, type WorkerProperty } from './worker-properties.js';

/** What `bgd bot host-tools` runs with. */
export interface BotOptions {
  /** Where the Bots service and the CAS are. Its instance name is the one that the bot works for. */
  readonly client: ClientOptions;
  /** How many actions are executed side by side: a session each (RW-12). */
  readonly concurrency: number;
  /** Locked while the bot runs, and swept when it starts. */
  readonly workFolder: string;
  /** Offered besides what the bot finds out about the machine. */
  readonly properties: readonly WorkerProperty[];
  /** Is told once all sessions are there. */
  readonly onConnected?: () => void;
}

/**
 * Executes actions on this machine until it is stopped. The composition root of `bgd bot host-tools`. Rejects if the work
 * folder cannot be used or the server refuses the bot; a server that is not there yet is waited for.
 */
export async function runBot(options: BotOptions, logger: Logger, stop: StopSignals): Promise<void> {
  await using lifecycle = new Lifecycle();
  const client = lifecycle.use(await Client.connect(options.client));
  const workFolder = lifecycle.use(await WorkFolder.open(options.workFolder, logger));
  const refusal = new AbortController();
  const cancel = AbortSignal.any([stop.cancel, refusal.signal]);
  setMaxListeners(0, stop.drain, cancel); // A listener a session is no leak.
  const loops = createLoops(options, { client, workFolder, logger });
  const runs = loops.map(async (loop) => {
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

interface Parts {
  readonly client: Client;
  readonly workFolder: WorkFolder;
  readonly logger: Logger;
}

function createLoops(options: BotOptions, { client, workFolder, logger }: Parts): readonly BotSessionLoop[] {
  const { concurrency, properties, onConnected } = options;
  const parent = options.client.instanceName ?? '';
  const name = botNameOf(parent, workFolder);
  const worker = workerOf(hostname(), workerProperties(properties));
  const clock = systemClock;
  let connecting = concurrency;
  return Array.from({ length: concurrency }, (_, slot) => {
    const botId = `${name}/${slot + 1}`;
    return new BotSessionLoop({
      bots: client.bots,
      executor: new HostToolsExecutor({ blobs: client.blobs, workFolder, clock, worker: botId }),
      clock,
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

/** The same after a restart, so that the server replaces the sessions of the process that died (RW-1). */
function botNameOf(parent: string, workFolder: WorkFolder): string {
  return [parent, hostname(), workFolder.id].filter((part) => part !== '').join('.');
}
