import { hostname } from 'node:os';
import { Client } from '../client/client.js';
import { systemClock } from '../common/clock.js';
import type { Logger } from '../common/logger.js';
import type { StopSignals } from './bot-session-loop.js';
import { DummyExecutor, type DummyExecutorOptions } from './executors/dummy-executor.js';
import { runSessions, type SessionsOptions } from './run-sessions.js';

/** What `bgd bot dummy` runs with. */
export interface DummyBotOptions extends SessionsOptions, Pick<DummyExecutorOptions, 'exitCode' | 'durationMs'> {}

/** Pretends to execute actions until it is stopped. The composition root of `bgd bot dummy`. */
export async function runDummyBot(options: DummyBotOptions, logger: Logger, stop: StopSignals): Promise<void> {
  const { exitCode, durationMs } = options;
  await using client = await Client.connect(options.client);
  // Unlike a worker with a folder, a dummy has nothing to be known by after a restart.
  const name = [options.client.instanceName ?? '', hostname(), 'dummy', process.pid]
    .filter((part) => part !== '')
    .join('.');
  const executorOf = (worker: string): DummyExecutor =>
    new DummyExecutor({ clock: systemClock, worker, exitCode, durationMs });
  await runSessions(options, { bots: client.bots, name, executorOf, logger }, stop);
}
