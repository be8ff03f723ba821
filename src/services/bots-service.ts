import { storeInlineBytes } from '../actioncache/store-inline-bytes.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { checkInstanceName } from '../digest/instance-name.js';
import { rwapi } from '../proto/index.js';
import { headerNames } from '../proto/wire-names.js';
import { botSessionMessage, offeredBy, reportedLeases } from './bot-session-message.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';
import { maxBotIdLength, maxReportedLeases, maxWorkerBytes } from './limits.js';

/** Serves `Bots`: registers workers and hands out Leases. An idle worker's update is held until there is work (RW-5). */
export class BotsService {
  readonly #registry: InstanceRegistry;

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async createBotSession(
    { parent, botSession }: rwapi.CreateBotSessionRequest,
    { signal }: CallContext,
  ): Promise<rwapi.BotSession.$Properties> {
    const given = checkSession(botSession);
    const { scheduler } = this.#registry.execution(parent);
    const reports = reportedLeases(given.leases ?? []);
    const { botId, isAccepting, offered } = summaryOf(given);
    const session = await scheduler.bots.create({ parent, botId, isAccepting, offered }, signal);
    return botSessionMessage(given, session, reports);
  }

  async updateBotSession(
    { name, botSession }: rwapi.UpdateBotSessionRequest,
    context: CallContext,
  ): Promise<rwapi.BotSession.$Properties> {
    const given = checkSession(botSession);
    if (name !== given.name) {
      throw invalid(`The request names session ${JSON.stringify(name)}, its bot_session ${JSON.stringify(given.name)}`);
    }
    const { scheduler, blobs } = this.#registry.execution(parentOf(name));
    const reports = reportedLeases(given.leases ?? []);
    const session = await scheduler.bots.update(
      {
        ...summaryOf(given),
        name,
        reports,
        storeInlined: (result, fn) => storeInlineBytes(result, { blobs, fn }),
        deadlineMs: context.deadlineMs,
        holdsBusy: context.header(headerNames.holdBusy) === '1',
      },
      context.signal,
    );
    return botSessionMessage(given, session, reports);
  }
}

function checkSession(session: rwapi.BotSession.$Properties | null | undefined): rwapi.BotSession.$Properties {
  if (!session) throw invalid('bot_session is not set');
  if (!session.botId) throw invalid('bot_session has no bot_id: a name that is unique among all bots is wanted');
  if (!session.status) throw invalid('bot_session has no status: OK is wanted from a bot that takes work');
  checkBounds(session);
  return session;
}

/** A session is kept and sent back as it is, so that it must not be larger than any bot needs (U4). */
function checkBounds({ botId, worker, leases }: rwapi.BotSession.$Properties): void {
  const idLength = botId?.length ?? 0;
  if (idLength > maxBotIdLength)
    throw invalid(`bot_id has ${idLength} characters; at most ${maxBotIdLength} are possible`);
  const workerBytes = worker ? rwapi.Worker.encode(worker).finish().length : 0;
  if (workerBytes > maxWorkerBytes) {
    throw invalid(`The worker has ${workerBytes} bytes; at most ${maxWorkerBytes} are possible`);
  }
  const count = leases?.length ?? 0;
  if (count > maxReportedLeases)
    throw invalid(`${count} leases are reported; at most ${maxReportedLeases} are possible`);
}

/** RW-3: who is not OK gets nothing new; who is rebooting or terminating leaves when it has nothing left. */
function summaryOf({ botId, status, worker }: rwapi.BotSession.$Properties) {
  const { OK, HOST_REBOOTING, BOT_TERMINATING } = rwapi.BotStatus;
  return {
    botId: botId ?? '',
    isAccepting: status === OK,
    isLeaving: status === HOST_REBOOTING || status === BOT_TERMINATING,
    offered: offeredBy(worker),
  };
}

/** The instance before the last part of a session's name (RW-1). */
function parentOf(name: string): string {
  return checkInstanceName(name.slice(0, Math.max(0, name.lastIndexOf('/'))));
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}
