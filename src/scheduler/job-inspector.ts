import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { loadBotPage, type BotListRequest, type BotPage } from './bot-pages.js';
import { explainWaiting, type Waiting } from './explain-waiting.js';
import type { JobDetails, JobInspection } from './job-inspection.js';
import type { Operation } from './job-store.js';
import type { OperationReference } from './operation-reference.js';

/** What a {@link JobInspector} depends on. */
export interface JobInspectorOptions {
  readonly inspection: JobInspection;
  /** Throws NOT_FOUND. */
  find(reference: OperationReference): Promise<Operation>;
}

/** All that is known of an Operation, and why it waits. */
export interface InspectedJob extends JobDetails {
  readonly waiting?: Waiting;
}

/** Names a bot within its instance. */
export interface BotReference {
  readonly instanceName: string;
  readonly botId: string;
}

/** The scheduler as those see it who look after it: what Jobs and bots do, and what can be put right by hand. */
export class JobInspector {
  readonly #options: JobInspectorOptions;

  constructor(options: JobInspectorOptions) {
    this.#options = options;
  }

  /** Throws NOT_FOUND. */
  async describe(reference: OperationReference): Promise<InspectedJob> {
    const { inspection } = this.#options;
    await this.#options.find(reference);
    const details = await inspection.describe(reference.id);
    if (!details) throw new StatusError(Code.NotFound, `Operation ${JSON.stringify(reference.id)} was just forgotten`);
    const waiting = explainWaiting(details, await inspection.fleet());
    return { ...details, ...(waiting && { waiting }) };
  }

  /**
   * Takes a Job away from its bot, whose report no longer counts, and queues it again; that is no attempt. Throws
   * NOT_FOUND, or FAILED_PRECONDITION if it is over or no bot has it.
   */
  async requeue(reference: OperationReference): Promise<void> {
    const { inspection } = this.#options;
    await this.#options.find(reference);
    const outcome = await inspection.requeue(reference.id);
    if (outcome === 'requeued') return;
    const why = outcome === 'queued' ? 'waits in the queue already' : 'is over';
    throw new StatusError(
      Code.FailedPrecondition,
      `Operation ${JSON.stringify(reference.id)} ${why}: only one that a bot has can be queued again`,
    );
  }

  /** One page of an instance's bots, by their ids. Throws INVALID_ARGUMENT. */
  bots(request: BotListRequest): Promise<BotPage> {
    return loadBotPage(this.#options.inspection, request);
  }

  /** Lets a bot get nothing new, or anything again. Throws NOT_FOUND for one that is neither connected nor drained. */
  async drain({ instanceName, botId }: BotReference, isDrained: boolean): Promise<void> {
    if (await this.#options.inspection.drain({ parent: instanceName, botId }, isDrained)) return;
    throw new StatusError(
      Code.NotFound,
      `Bot ${JSON.stringify(botId)} is not connected to instance ${JSON.stringify(instanceName)}; bgd bot list names those that are`,
    );
  }
}
