import type { Socket } from 'node:net';
import pg from 'pg';
import { systemClock, type Clock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { silentLogger, type Logger } from '../common/logger.js';
import { OutageLog } from '../common/outage-log.js';
import { backOffMs, retry, type RetryPolicy } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import type { Sql } from './database.js';
import { connectionOf, type PostgresPool } from './postgres-config.js';
import { postgresError } from './postgres-error.js';
import { postgresName } from './postgres-location.js';

/** What a {@link PostgresListener} is told. */
export interface PostgresListenerOptions extends PostgresPool {
  /** How often a message to itself proves that the line is there: the one statement of an idle process. @defaultValue 10 s */
  readonly heartbeatMs?: number;
  /** A line that is silent for so long after that is given up. @defaultValue 10 s */
  readonly answerMs?: number;
  /** How patiently a server that cannot be reached is waited for at first. @defaultValue about 15 s */
  readonly openPolicy?: RetryPolicy | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Who is told what comes over a {@link PostgresListener}. Neither may throw. */
export interface LineReceiver {
  /** A message of any process that uses the same schema of the same database, this one included. */
  receive(payload: string): void;
  /** The line is there again: messages may have been missed. `wasAlone` says that nobody else was there at that moment. */
  reconnected(wasAlone: boolean): void;
}

/** Messages longer than this are refused by PostgreSQL. */
export const maxPayloadBytes = 7_999;

const openPolicy: RetryPolicy = { maxAttempts: 8, initialDelayMs: 250, maxDelayMs: 4_000 };
const reconnectPolicy: RetryPolicy = { maxAttempts: Infinity, initialDelayMs: 50, maxDelayMs: 2_000 };

const heartbeat = 'heartbeat';

/** The schema's own: others may use the same database. */
const channel = `'bgd_' || md5(current_schema())`;

/** Held by everyone who listens; PostgreSQL lets go of it for whoever dies. */
const presence = `hashtextextended('bgd:' || current_schema(), 0)`;

/**
 * Messages among processes that use one PostgreSQL database, over a connection of its own: it is made anew, with backoff,
 * when it is lost, or when it does not bring what it was sent for a trial.
 */
export class PostgresListener implements AsyncDisposable {
  readonly #options: PostgresListenerOptions;
  readonly #clock: Clock;
  readonly #outages: OutageLog;
  readonly #stopping = new AbortController();
  #receiver: LineReceiver | undefined;
  #wasAlone = false;
  #isConnected = false;
  #running: Promise<void> | undefined;

  private constructor(options: PostgresListenerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#outages = new OutageLog(`${postgresName(options)} (notifications)`, options.logger ?? silentLogger);
  }

  /**
   * Listens when it resolves; a server that is about to start is waited for, as by `PostgresDatabase.open`. Throws UNAVAILABLE if the server cannot be reached, and FAILED_PRECONDITION if something
   * between passes no notifications.
   */
  static async open(options: PostgresListenerOptions): Promise<PostgresListener> {
    const listener = new PostgresListener(options);
    const line = await retry(() => listener.#connect(), {
      policy: options.openPolicy ?? openPolicy,
      clock: listener.#clock,
      shouldRetry: (reason) => StatusError.from(reason).code === Code.Unavailable,
    });
    listener.#running = listener.#run(line);
    return listener;
  }

  /** Whether messages come through, as far as is known. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Whether nobody else listened when this connected last. */
  get wasAlone(): boolean {
    return this.#wasAlone;
  }

  /** Tells `receiver` from now on. */
  tell(receiver: LineReceiver): void {
    this.#receiver = receiver;
  }

  /** Sends messages within a transaction: they go out if and when it is committed. Each at most {@link maxPayloadBytes}. */
  async send(sql: Sql, payloads: readonly string[]): Promise<void> {
    await sql.raw(`SELECT pg_notify(${channel}, list.payload) FROM unnest(?::text[]) AS list (payload)`, [
      [...payloads],
    ]);
  }

  /** Hears no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(first: Line): Promise<void> {
    const { signal } = this.#stopping;
    const isStopped = (): boolean => signal.aborted;
    for (let line: Line | undefined = first; line; line = await this.#reconnect()) {
      await this.#watch(line, signal);
      this.#isConnected = false;
      await line.close();
      if (isStopped()) return;
      this.#outages.failed(line.fault?.message ?? 'the connection for notifications was lost');
    }
  }

  /** Until the line is lost, or `signal` aborts. */
  async #watch(line: Line, signal: AbortSignal): Promise<void> {
    const { heartbeatMs = 10_000 } = this.#options;
    const over = AbortSignal.any([signal, line.lost]);
    const isOver = (): boolean => over.aborted;
    while (!isOver()) {
      await this.#clock.sleep(heartbeatMs, over);
      if (!isOver()) await line.beat().catch((reason: unknown) => line.fail(reason));
    }
  }

  async #reconnect(): Promise<Line | undefined> {
    const { signal } = this.#stopping;
    for (let attempt = 1; ; attempt += 1) {
      await this.#clock.sleep(backOffMs(reconnectPolicy, attempt), signal);
      if (signal.aborted) return undefined;
      try {
        const line = await this.#connect();
        this.#outages.answered();
        this.#receiver?.reconnected(this.#wasAlone);
        return line;
      } catch (reason) {
        this.#outages.failed(String(postgresError(reason, postgresName(this.#options))));
      }
    }
  }

  async #connect(): Promise<Line> {
    const { answerMs = 10_000 } = this.#options;
    const config = { ...(await connectionOf(this.#options, answerMs)), query_timeout: answerMs };
    const line = new Line(new pg.Client(config), (payload) => this.#receiver?.receive(payload));
    try {
      this.#wasAlone = await line.open();
    } catch (reason) {
      await line.close();
      throw postgresError(reason, postgresName(this.#options));
    }
    this.#isConnected = true;
    return line;
  }
}

/** One connection that listens. */
class Line {
  readonly #client: pg.Client;
  readonly #lost = new AbortController();
  #echoes = 0;
  #fault: Error | undefined;

  constructor(client: pg.Client, receive: (payload: string) => void) {
    this.#client = client;
    client.on('error', (reason) => this.fail(reason));
    client.on('end', () => this.#lost.abort());
    client.on('notification', ({ payload = '', processId }) => {
      if (payload !== heartbeat) receive(payload);
      else if (processId === (client as unknown as { readonly processID: number | null }).processID) this.#echoes += 1;
    });
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get fault(): Error | undefined {
    return this.#fault;
  }

  /** Connects and listens. Returns whether nobody else does. */
  async open(): Promise<boolean> {
    await this.#client.connect();
    const [place] = await this.#ask<{ channel: string }>(`SELECT ${channel} AS channel`);
    await this.#ask(`LISTEN ${place?.channel ?? ''}`);
    await this.beat();
    const [found] = await this.#ask<{ is_alone: boolean }>(`SELECT pg_try_advisory_lock(${presence}) AS is_alone`);
    await this.#ask(`SELECT pg_advisory_lock_shared(${presence})`);
    if (found?.is_alone) await this.#ask(`SELECT pg_advisory_unlock(${presence})`);
    return found?.is_alone ?? false;
  }

  /** Sends a message to itself: it is there when the statement is over. */
  async beat(): Promise<void> {
    const before = this.#echoes;
    await this.#ask(`SELECT pg_notify(${channel}, '${heartbeat}')`);
    if (this.#echoes > before) return;
    throw new StatusError(
      Code.FailedPrecondition,
      'PostgreSQL does not pass notifications on: a pooler between needs to give each connection a session of its own (pool_mode = session)',
    );
  }

  fail(reason: unknown): void {
    this.#fault ??= reason instanceof Error ? reason : new Error(String(reason));
    this.#lost.abort();
  }

  async close(): Promise<void> {
    const { stream } = (this.#client as unknown as { readonly connection: { readonly stream: Socket } }).connection;
    const ended = this.#client.end().catch(() => undefined);
    if (this.#fault) stream.destroy();
    await ended;
  }

  async #ask<Row extends pg.QueryResultRow>(text: string): Promise<readonly Row[]> {
    const { rows } = await this.#client.query<Row>(text);
    return rows;
  }
}
