import { Flags } from '@oclif/core';
import type { ClientOptions } from '../client/client.js';
import { readTlsFiles } from '../client/read-tls-files.js';
import { tokenWarning } from '../client/token-warning.js';

const helpGroup = 'CONNECTION';

/** How to reach a server, and with which proof of who we are: what clients and bots have in common. */
export const remoteFlags = {
  remote: Flags.string({
    helpGroup,
    env: 'BGD_REMOTE',
    helpValue: 'URL',
    default: 'http://localhost:50051',
    summary: 'Server to talk to: http or grpc (plain), https or grpcs (TLS), or unix:PATH.',
  }),
  'auth-token': Flags.file({
    helpGroup,
    env: 'BGD_AUTH_TOKEN',
    helpValue: 'FILE',
    exists: true,
    summary: 'File with the token to send along.',
  }),
  'client-key': Flags.file({
    helpGroup,
    env: 'BGD_CLIENT_KEY',
    helpValue: 'FILE',
    exists: true,
    summary: 'Private key of this client (PEM).',
  }),
  'client-cert': Flags.file({
    helpGroup,
    env: 'BGD_CLIENT_CERT',
    helpValue: 'FILE',
    exists: true,
    summary: 'Certificate of this client (PEM).',
  }),
  'server-cert': Flags.file({
    helpGroup,
    env: 'BGD_SERVER_CERT',
    helpValue: 'FILE',
    exists: true,
    summary: 'Certificates to trust instead of the usual ones (PEM).',
  }),
};

/** A CAS apart from the server. */
export const remoteCasFlags = {
  'remote-cas': Flags.string({
    helpGroup,
    env: 'BGD_REMOTE_CAS',
    helpValue: 'URL',
    summary: 'Where the CAS is, if not at --remote.',
  }),
  'cas-client-key': Flags.file({
    helpGroup,
    env: 'BGD_CAS_CLIENT_KEY',
    helpValue: 'FILE',
    exists: true,
    summary: 'Private key for --remote-cas, if not that of --client-key.',
  }),
  'cas-client-cert': Flags.file({
    helpGroup,
    env: 'BGD_CAS_CLIENT_CERT',
    helpValue: 'FILE',
    exists: true,
    summary: 'Certificate for --remote-cas, if not that of --client-cert.',
  }),
  'cas-server-cert': Flags.file({
    helpGroup,
    env: 'BGD_CAS_SERVER_CERT',
    helpValue: 'FILE',
    exists: true,
    summary: 'Certificates to trust for --remote-cas, if not those of --server-cert.',
  }),
};

/** Which instance of the server, and what the calls are for. */
export const instanceFlags = {
  'instance-name': Flags.string({
    helpGroup,
    env: 'BGD_INSTANCE_NAME',
    helpValue: 'NAME',
    default: '',
    summary: 'Instance of the server.',
  }),
  'action-id': Flags.string({
    helpGroup,
    env: 'BGD_ACTION_ID',
    helpValue: 'ID',
    summary: 'Action that the calls belong to, for the logs of the server.',
  }),
  'invocation-id': Flags.string({
    helpGroup,
    env: 'BGD_INVOCATION_ID',
    helpValue: 'ID',
    summary: 'Build that the calls belong to, for the logs of the server.',
  }),
  'correlation-id': Flags.string({
    helpGroup,
    env: 'BGD_CORRELATION_ID',
    helpValue: 'ID',
    summary: 'Group of builds that the calls belong to, for the logs of the server.',
  }),
};

type Values<Names extends string> = Readonly<Partial<Record<Names, string | undefined>>>;

/** Values of the connection flags; a command may lack some. */
export type ConnectionFlags = { readonly remote: string } & Values<
  Exclude<keyof typeof remoteFlags, 'remote'> | keyof typeof remoteCasFlags | keyof typeof instanceFlags
>;

/** What is to be said before a token goes out in the clear; `undefined` if none does. */
export function warningOf(options: ClientOptions): string | undefined {
  const { url, casUrl } = options;
  return tokenWarning(options, casUrl === undefined ? [url] : [url, casUrl]);
}

/** Reads the certificates that the flags name. Rejects as reading them does. */
export async function clientOptionsOf(flags: ConnectionFlags): Promise<ClientOptions> {
  const token = flags['auth-token'];
  const casUrl = flags['remote-cas'];
  const tls = await readTlsFiles({
    clientKey: flags['client-key'],
    clientCert: flags['client-cert'],
    serverCert: flags['server-cert'],
  });
  const casTls = await readTlsFiles({
    clientKey: flags['cas-client-key'],
    clientCert: flags['cas-client-cert'],
    serverCert: flags['cas-server-cert'],
  });
  return {
    url: flags.remote,
    instanceName: flags['instance-name'] ?? '',
    requestMetadata: requestIdsOf(flags),
    ...(token !== undefined && { authToken: { path: token } }),
    ...(tls && { tls }),
    ...(casUrl !== undefined && { casUrl, ...(casTls && { casTls }) }),
  };
}

function requestIdsOf(flags: ConnectionFlags): NonNullable<ClientOptions['requestMetadata']> {
  return {
    ...(flags['action-id'] !== undefined && { actionId: flags['action-id'] }),
    ...(flags['invocation-id'] !== undefined && { toolInvocationId: flags['invocation-id'] }),
    ...(flags['correlation-id'] !== undefined && { correlatedInvocationsId: flags['correlation-id'] }),
  };
}
