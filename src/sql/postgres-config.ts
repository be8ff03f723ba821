import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Knex } from 'knex';
import pg from 'pg';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import type { PostgresLocation } from './postgres-location.js';

/** A database, and how it is connected to. */
export interface PostgresPool extends PostgresLocation {
  /** Connections at the most; whoever comes when all are in use waits. @defaultValue 15 */
  readonly maxConnections?: number | undefined;
  /** How long to wait for a connection. @defaultValue 30 s */
  readonly acquireTimeoutMs?: number | undefined;
  /** The server gives up a statement after so long. @defaultValue 30 s */
  readonly statementTimeoutMs?: number | undefined;
  /** A connection on which nothing comes for so long is given up. @defaultValue 15 s longer than a statement may take */
  readonly silenceMs?: number | undefined;
}

const defaultStatementTimeoutMs = 30_000;
const connectTimeoutMs = 5_000;
const idleTimeoutMs = 30_000;
const keepAliveMs = 10_000;

const graceMs = 15_000;

/** What knex and its driver are told. Throws FAILED_PRECONDITION if a file that the location names cannot be read. */
export async function postgresConfig(options: PostgresPool): Promise<Knex.Config> {
  const { maxConnections = 15, acquireTimeoutMs = 30_000 } = options;
  const { statementTimeoutMs = defaultStatementTimeoutMs } = options;
  return {
    client: 'pg',
    connection: (await connectionOf(options, statementTimeoutMs)) as Knex.PgConnectionConfig,
    pool: {
      min: 0,
      max: maxConnections,
      acquireTimeoutMillis: acquireTimeoutMs,
      idleTimeoutMillis: idleTimeoutMs,
      afterCreate: watching(options.silenceMs ?? statementTimeoutMs + graceMs),
    },
    // As SQLite has it: what a raw statement resolves to is its rows.
    postProcessResponse: rowsOf,
    // Lists of thousands of digests have no place in the text of an error.
    compileSqlOnError: false,
    log: { warn: () => undefined, deprecate: () => undefined },
  };
}

/** What the driver is told of one connection. Throws FAILED_PRECONDITION if a file that the location names cannot be read. */
export async function connectionOf(options: PostgresPool, statementTimeoutMs: number): Promise<pg.ClientConfig> {
  const { host, port, user, password, database, applicationName = 'bgd' } = options;
  return {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
    ...(options.options !== undefined && { options: options.options }),
    ssl: await tlsOf(options),
    application_name: applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs ?? connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    types: { getTypeParser: typeParser },
  };
}

/** The number of PostgreSQL's type `bigint`. */
const bigint = 20;

const parserOf = pg.types.getTypeParser as (oid: number, format: string) => unknown;

/** Sizes and times are whole numbers that a number holds. */
const typeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === bigint ? Number : parserOf(oid, format ?? 'text')) as typeof pg.types.getTypeParser;

function rowsOf(result: unknown): unknown {
  const isRaw = typeof result === 'object' && result !== null && 'rows' in result && 'command' in result;
  return isRaw ? result.rows : result;
}

async function tlsOf({ sslMode, sslRootCert, sslCert, sslKey }: PostgresLocation): Promise<pg.ClientConfig['ssl']> {
  const mode = sslMode ?? (sslRootCert === undefined ? 'disable' : 'verify-ca');
  if (mode === 'disable') return false;
  const [ca, cert, key] = await Promise.all([sslRootCert, sslCert, sslKey].map(readPem));
  return {
    rejectUnauthorized: mode !== 'require',
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
  };
}

async function readPem(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (reason) {
    const text = `Cannot read ${file}, which the connection string for PostgreSQL names: ${errnoOf(reason) ?? String(reason)}`;
    throw new StatusError(Code.FailedPrecondition, text, { cause: reason });
  }
}

type Watch = (client: unknown, done: (reason: Error | null, client: unknown) => void) => void;

/**
 * Gives up a connection on which nothing came for longer than a statement may take: a server that went away without a
 * word would be waited for a quarter of an hour otherwise (U1).
 */
function watching(silenceMs: number): Watch {
  return (client, done) => {
    const socket = (client as { readonly connection: { readonly stream: Socket } }).connection.stream;
    socket.setTimeout(silenceMs, () => socket.destroy(new Error(`No answer within ${silenceMs} ms`)));
    done(null, client);
  };
}
