import { rwapi } from '../../src/proto/index.js';
import { framed } from './frame.js';
import type { Http2Load } from './http2-load.js';
import { completed, jobPaths, messagesOf, sessionOf } from './job-messages.js';

/** So long a bot waits for an answer, in the words of gRPC. */
const timeout = { 'grpc-timeout': '30S' };

/** A bot that costs as little as possible: what it is given is done at once, and the next is taken with the report. */
export class BenchBot {
  readonly #load: Http2Load;
  readonly #connection: number;
  readonly #botId: string;
  #session: rwapi.BotSession.$Properties;

  private constructor(load: Http2Load, connection: number, session: rwapi.BotSession.$Properties) {
    this.#load = load;
    this.#connection = connection;
    this.#botId = session.botId ?? '';
    this.#session = session;
  }

  static async connect(load: Http2Load, connection: number, botId: string): Promise<BenchBot> {
    const request = { parent: '', botSession: sessionOf(botId, '', []) };
    const body = framed(rwapi.CreateBotSessionRequest.encode(request).finish());
    return new BenchBot(load, connection, sessionFrom(await load.call(jobPaths.createSession, body, connection)));
  }

  /** Reports what it was given last as done, and takes nothing more. */
  async report(): Promise<void> {
    const { INITIALIZING } = rwapi.BotStatus;
    await this.#update(INITIALIZING);
  }

  /** Reports what it was given last as done, and resolves with what it is given next; with nothing when there was none. */
  async next(): Promise<readonly rwapi.Lease.$Properties[]> {
    return this.#update(rwapi.BotStatus.OK);
  }

  async #update(status: rwapi.BotStatus): Promise<readonly rwapi.Lease.$Properties[]> {
    const { name, leases } = this.#session;
    const botSession = { ...sessionOf(this.#botId, name ?? '', (leases ?? []).map(completed)), status };
    const body = framed(rwapi.UpdateBotSessionRequest.encode({ name: name ?? '', botSession }).finish());
    this.#session = sessionFrom(await this.#load.call(jobPaths.updateSession, body, this.#connection, timeout));
    return this.#session.leases ?? [];
  }
}

function sessionFrom(answer: Buffer): rwapi.BotSession.$Properties {
  return rwapi.BotSession.decode(messagesOf(answer)[0] ?? new Uint8Array());
}
