import type { ChannelCredentials, credentials as grpcCredentials } from '@grpc/grpc-js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { headerNames } from '../proto/wire-names.js';
import { type Authorization, fixedAuthorization } from './authorization.js';
import { Channel } from './channel.js';
import { parseEndpoint, type Endpoint } from './endpoint.js';
import { encodeRequestMetadata, type RequestIds } from './request-metadata.js';
import { TokenFile, type TokenFileOptions } from './token-file.js';

/** PEM texts for a TLS connection. */
export interface TlsFiles {
  /** The client's private key, for mutual TLS; needs {@link clientCert}. */
  readonly clientKey?: Buffer;
  readonly clientCert?: Buffer;
  /** Certificates to trust. @defaultValue those that Node trusts */
  readonly serverCert?: Buffer;
}

/** How to reach a server, and as whom. */
export interface ChannelOptions {
  /** `grpc://`, `http://` (plain), `grpcs://`, `https://` (TLS) or `unix:PATH`; the port is 50051 unless it is named. */
  readonly url: string;
  readonly tls?: TlsFiles;
  /** Sent as `authorization: Bearer …` with every call: the token, or the file that has it. */
  readonly authToken?: string | TokenFileOptions;
  /** What every call says of its purpose, besides the name and version of this tool. */
  readonly requestMetadata?: RequestIds;
  /** Deadline of each unary call that sets none of its own. @defaultValue 60 s */
  readonly callTimeoutMs?: number;
}

/** Messages of servers that announce large batches still fit. */
const maxMessageBytes = 64 * 1024 * 1024;

const grpcOptions = {
  // U1: a server that vanished without a FIN is noticed within 30 s.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // Bulk transfers crawl through Node's default of 64 KiB.
  'grpc-node.flow_control_window': 8 * 1024 * 1024,
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  // What is worth a repetition is decided here, call by call.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
  // Channels to one server stay apart, so that closing one leaves the others alone.
  'grpc.use_local_subchannel_pool': 1,
};

/**
 * Opens a channel; the caller disposes of it. Nothing is connected before the first call, so that a server that is not
 * there shows only then. Throws INVALID_ARGUMENT for a URL, token or certificate that cannot be right.
 */
export async function openChannel(options: ChannelOptions): Promise<Channel> {
  const endpoint = parseEndpoint(options.url);
  const authorization = await authorizationOf(options.authToken);
  // Loaded here, because most commands of a command line never get so far.
  const { Client, Metadata, credentials } = await import('@grpc/grpc-js');
  const metadata = new Metadata();
  metadata.set(headerNames.requestMetadata, encodeRequestMetadata(options.requestMetadata));
  const client = new Client(
    endpoint.target,
    endpoint.isSecure ? secure(credentials, endpoint, options.tls) : plain(credentials, endpoint, options.tls),
    grpcOptions,
  );
  const timeoutMs = options.callTimeoutMs ?? 60_000;
  return new Channel({ url: endpoint.url, client, metadata, authorization, timeoutMs });
}

type Credentials = typeof grpcCredentials;

function plain(credentials: Credentials, { url }: Endpoint, tls: TlsFiles = {}): ChannelCredentials {
  if (tls.clientKey ?? tls.clientCert ?? tls.serverCert) {
    throw new StatusError(
      Code.InvalidArgument,
      `${JSON.stringify(url)} is not encrypted, but certificates are given: grpcs:// is wanted, or no certificates`,
    );
  }
  return credentials.createInsecure();
}

function secure(credentials: Credentials, { url }: Endpoint, tls: TlsFiles = {}): ChannelCredentials {
  const { clientKey = null, clientCert = null, serverCert = null } = tls;
  if ((clientKey === null) !== (clientCert === null)) {
    throw new StatusError(
      Code.InvalidArgument,
      `Only the client's ${clientKey ? 'key' : 'certificate'} is given: both or neither are wanted`,
    );
  }
  try {
    return credentials.createSsl(serverCert, clientKey, clientCert);
  } catch (reason) {
    const said = reason instanceof Error ? reason.message : String(reason);
    throw new StatusError(Code.InvalidArgument, `The certificates for ${JSON.stringify(url)} cannot be used: ${said}`, {
      cause: reason,
    });
  }
}

async function authorizationOf(token: ChannelOptions['authToken']): Promise<Authorization | undefined> {
  if (token === undefined) return undefined;
  return typeof token === 'string' ? fixedAuthorization(token) : TokenFile.open(token);
}
