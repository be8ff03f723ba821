import type { Clock } from '../../common/clock.js';
import type { BotList, BotsQuery, FleetBot, JobDetails, JobInspection } from '../job-inspection.js';
import type { RunRead, RunTransaction } from './job-transaction.js';
import { loadBots, loadFleet } from './bot-rows.js';
import { describeJob } from './describe-job.js';
import { drainBot } from './drain-bot.js';
import { requeueJob } from './requeue-job.js';

/** What people look at and put right in a {@link SqlJobStore}. */
export class SqlJobInspection implements JobInspection {
  readonly #run: RunTransaction;
  readonly #read: RunRead;
  readonly #clock: Clock;

  constructor(run: RunTransaction, read: RunRead, clock: Clock) {
    this.#run = run;
    this.#read = read;
    this.#clock = clock;
  }

  describe(operationId: string): Promise<JobDetails | undefined> {
    return this.#read((context) => describeJob(context, operationId, this.#clock));
  }

  bots(query: BotsQuery): Promise<BotList> {
    return this.#read(async (context) => ({
      asOfMs: await context.dialect.timeOf(context.sql, this.#clock),
      bots: await loadBots(context, query),
    }));
  }

  fleet(): Promise<readonly FleetBot[]> {
    return this.#read(loadFleet);
  }

  drain(bot: { readonly parent: string; readonly botId: string }, isDrained: boolean): Promise<boolean> {
    return this.#run('drain', (transaction) => drainBot(transaction, bot, isDrained));
  }

  requeue(operationId: string): Promise<'requeued' | 'queued' | 'over'> {
    return this.#run('requeue', (transaction) => requeueJob(transaction, operationId));
  }
}
