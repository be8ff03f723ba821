import { hostname } from 'node:os';
import { Client } from '../client/client.js';
import { systemClock } from '../common/clock.js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import type { StopSignals } from './bot-session-loop.js';
import { HostToolsExecutor } from './executors/host-tools-executor.js';
import { runSessions, type SessionsOptions } from './run-sessions.js';
import { WorkFolder } from './work-folder.js';

/** What `bgd bot host-tools` runs with. Its client also knows where the CAS is. */
export interface BotOptions extends SessionsOptions {
  /** Locked while the bot runs, and swept when it starts. */
  readonly workFolder: string;
}

/**
 * Executes actions on this machine until it is stopped. The composition root of `bgd bot host-tools`. Rejects if the work
 * folder cannot be used or the server refuses the bot; a server that is not there yet is waited for.
 */
export async function runBot(options: BotOptions, logger: Logger, stop: StopSignals): Promise<void> {
  await using lifecycle = new Lifecycle();
  const client = lifecycle.use(await Client.connect(options.client));
  const workFolder = lifecycle.use(await WorkFolder.open(options.workFolder, logger));
  const name = botNameOf(options.client.instanceName ?? '', workFolder);
  const executorOf = (worker: string): HostToolsExecutor =>
    new HostToolsExecutor({ blobs: client.blobs, workFolder, clock: systemClock, worker });
  await runSessions(options, { bots: client.bots, name, executorOf, logger }, stop);
}

/** The same after a restart, so that the server replaces the sessions of the process that died (RW-1). */
function botNameOf(parent: string, workFolder: WorkFolder): string {
  return [parent, hostname(), workFolder.id].filter((part) => part !== '').join('.');
}
