import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { PostgresDatabase, type PostgresDatabaseOptions } from '../../src/sql/postgres-database.js';
import { PostgresListener, type PostgresListenerOptions } from '../../src/sql/postgres-listener.js';
import { parsePostgresUrl } from '../../src/sql/postgres-location.js';
import { hasCode } from '../helpers/has-code.js';
import { PostgresServer } from '../helpers/postgres.js';
import { RecordingLogger } from '../helpers/recording-logger.js';
import { until } from '../helpers/until.js';

const openPolicy = { maxAttempts: 1, initialDelayMs: 1, maxDelayMs: 1 };

/** Keeps what it is told. */
class Receiver {
  readonly payloads: string[] = [];
  readonly reconnections: boolean[] = [];

  receive(payload: string): void {
    this.payloads.push(payload);
  }

  reconnected(wasAlone: boolean): void {
    this.reconnections.push(wasAlone);
  }
}

describe('PostgresListener', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let location: PostgresDatabaseOptions;
  let database: PostgresDatabase;

  async function listen(
    options: Partial<PostgresListenerOptions> = {},
  ): Promise<{ readonly listener: PostgresListener; readonly receiver: Receiver }> {
    const listener = lifecycle.use(await PostgresListener.open({ ...location, ...options }));
    const receiver = new Receiver();
    listener.tell(receiver);
    return { listener, receiver };
  }

  const send = (listener: PostgresListener, ...payloads: string[]): Promise<void> =>
    database.transaction((sql) => listener.send(sql, payloads));

  /** Ends the connections that have said LISTEN. */
  const cut = (): Promise<unknown> =>
    database.statement((sql) =>
      sql.raw(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'SELECT pg_advisory%'`),
    );

  beforeEach(async () => {
    const server = await PostgresServer.shared();
    location = parsePostgresUrl(await server.createDatabase());
    database = lifecycle.use(await PostgresDatabase.open(location));
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  it('brings what others send, in order, and what it sends itself', async () => {
    const [one, other] = [await listen(), await listen()];

    await send(one.listener, 'first', 'second');
    await send(other.listener, 'third');

    await until(() => one.receiver.payloads.length + other.receiver.payloads.length === 6);
    assert.deepEqual(one.receiver.payloads, ['first', 'second', 'third']);
    assert.deepEqual(other.receiver.payloads, ['first', 'second', 'third']);
  });

  it('brings nothing of a transaction that is undone', async () => {
    const { listener, receiver } = await listen();

    await assert.rejects(
      database.transaction(async (sql) => {
        await listener.send(sql, ['undone']);
        throw new Error('no');
      }),
    );
    await send(listener, 'done');

    await until(() => receiver.payloads.length > 0);
    assert.deepEqual(receiver.payloads, ['done']);
  });

  it('keeps the schemas of one database apart', async () => {
    await database.statement((sql) => sql.raw('CREATE SCHEMA other'));
    const here = await listen();
    const there = await listen({ options: '-csearch_path=other' });

    await send(here.listener, 'here');

    await until(() => here.receiver.payloads.length > 0);
    assert.deepEqual(there.receiver.payloads, []);
    assert.equal(there.listener.wasAlone, true);
  });

  it('knows whether anybody else listens', async () => {
    const first = await listen();
    const second = await listen();

    assert.deepEqual([first.listener.wasAlone, second.listener.wasAlone], [true, false]);
  });

  it('listens again after the line was lost, says so, and hears what comes then', async () => {
    const logger = new RecordingLogger();
    const { listener, receiver } = await listen({ logger });

    await cut();
    await until(() => receiver.reconnections.length > 0);
    await send(listener, 'again');

    await until(() => receiver.payloads.length > 0);
    assert.deepEqual(receiver.reconnections, [true]);
    assert.deepEqual(receiver.payloads, ['again']);
    assert.deepEqual(
      logger.lines.map(({ message }) => message),
      ['A service that stores depend on fails', 'A service that stores depend on answers again'],
    );
  });

  it('is not alone after the line was lost while another had its own', async () => {
    const one = await listen();
    await cut();
    await until(() => one.receiver.reconnections.length > 0);
    const other = await listen();
    await database.statement((sql) =>
      sql.raw(`SELECT pg_terminate_backend(min(pid)) FROM pg_locks WHERE locktype = 'advisory'`),
    );

    await until(() => one.receiver.reconnections.length + other.receiver.reconnections.length > 1);
    assert.deepEqual([...one.receiver.reconnections.slice(1), ...other.receiver.reconnections], [false]);
  });

  it('gives up a line on which nothing comes any more (U1)', async () => {
    const sockets = new Set<Socket>();
    let isDeaf = false;
    const proxy = createServer((client) => {
      const target = connect(location.port ?? 0, '127.0.0.1');
      client.on('error', () => target.destroy()).pipe(target);
      target.on('error', () => client.destroy());
      target.on('data', (data) => isDeaf || client.write(data));
      sockets.add(client).add(target);
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    lifecycle.defer(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
    const { port } = proxy.address() as AddressInfo;
    const { listener, receiver } = await listen({ port, heartbeatMs: 20, answerMs: 100 });

    isDeaf = true;
    await until(() => !listener.isConnected);
    isDeaf = false;

    await until(() => receiver.reconnections.length > 0);
    assert.equal(listener.isConnected, true);
  });

  it('is UNAVAILABLE where nobody listens', async () => {
    await assert.rejects(PostgresListener.open({ ...location, port: 1, openPolicy }), hasCode(Code.Unavailable));
  });
});
