import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** Whether the line is encrypted, and what the server must show: the names of PostgreSQL's own library. */
export type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

/** Where a PostgreSQL database is. What is left out comes from `PGUSER`, `PGPASSWORD` and the like, as in other tools. */
export interface PostgresLocation {
  /** A name, an address, or the folder of a socket. */
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  /** @defaultValue disable, or verify-ca with a root certificate */
  readonly sslMode?: SslMode;
  /** Files in PEM. */
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
  readonly applicationName?: string;
  /** Options of the session, such as `-csearch_path=bgd`. */
  readonly options?: string;
  readonly connectTimeoutMs?: number;
}

/** SQLAlchemy's form, with or without a driver's name. The password may hold anything but an @. */
const postgresUrl =
  /^postgres(?:ql)?(?:\+\w+)?:\/\/(?:(?<user>[^:@/?]*)(?::(?<password>[^@]*))?@)?(?<host>\[[^\]]*\]|[^:@/?]*)(?::(?<port>\d+))?(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/;

type Parameter = (value: string) => Partial<PostgresLocation>;

const sslModes: Readonly<Record<string, SslMode>> = {
  disable: 'disable',
  require: 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

const parameters: Readonly<Record<string, Parameter>> = {
  host: (host) => ({ host }),
  port: (port) => ({ port: wholeNumber('port', port) }),
  user: (user) => ({ user }),
  password: (password) => ({ password }),
  sslmode: (mode) => ({ sslMode: sslModeOf(mode) }),
  sslrootcert: (sslRootCert) => ({ sslRootCert }),
  sslcert: (sslCert) => ({ sslCert }),
  sslkey: (sslKey) => ({ sslKey }),
  application_name: (applicationName) => ({ applicationName }),
  options: (options) => ({ options }),
  connect_timeout: (seconds) => ({ connectTimeoutMs: wholeNumber('connect_timeout', seconds) * 1000 }),
};

/** Whether `text` means a PostgreSQL database. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?(\+\w+)?:/.test(text);
}

/** Reads `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`. Throws INVALID_ARGUMENT, without any secret (S6). */
export function parsePostgresUrl(text: string): PostgresLocation {
  const groups = postgresUrl.exec(text)?.groups;
  if (!groups) throw fault('is not postgresql://USER:PASSWORD@HOST:PORT/DATABASE; write @ as %40 in a password');
  const { port, query = '' } = groups;
  const location: PostgresLocation = {
    ...part('host', groups['host']?.replace(/^\[(.*)\]$/, '$1')),
    ...part('user', groups['user']),
    ...part('password', groups['password']),
    ...part('database', groups['database']),
    ...(port !== undefined && { port: Number(port) }),
  };
  return [...new URLSearchParams(query)].reduce<PostgresLocation>((sum, [name, value]) => {
    const parameter = parameters[name];
    if (parameter) return { ...sum, ...parameter(value) };
    const known = Object.keys(parameters).join(', ');
    throw fault(`has the parameter ${JSON.stringify(name)}, which bgd does not know. Known are: ${known}`);
  }, location);
}

/** Names the database to a person; holds no secret (S6). */
export function postgresName({ host = 'localhost', port, database }: PostgresLocation): string {
  const place = port === undefined ? host : `${host}:${port}`;
  return `PostgreSQL at ${place}${database === undefined ? '' : `/${database}`}`;
}

function part(name: keyof PostgresLocation, encoded: string | undefined): Partial<PostgresLocation> {
  if (encoded === undefined || encoded === '') return {};
  try {
    return { [name]: decodeURIComponent(encoded) };
  } catch {
    throw fault(`has a ${name} with a % that begins no escape: write it as %25`);
  }
}

function sslModeOf(text: string): SslMode {
  const mode = sslModes[text];
  if (mode) return mode;
  const wanted = Object.keys(sslModes).join(', ');
  throw fault(`has sslmode ${JSON.stringify(text)}: one of ${wanted} is wanted`);
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw fault(`has ${name} ${JSON.stringify(text)}: a whole number is wanted`);
}

function fault(what: string): StatusError {
  return new StatusError(Code.InvalidArgument, `The connection string for PostgreSQL ${what}`);
}
