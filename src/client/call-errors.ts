import type { ServiceError } from '@grpc/grpc-js';
import { Code, codeOf } from '../common/code.js';
import { StatusError, type StatusDetail } from '../common/status-error.js';
import { rpc } from '../proto/index.js';
import { statusDetails } from '../proto/status.js';

/** The call never reached a gRPC server: nothing listens there, or something else does. */
export class UnreachableError extends StatusError {
  constructor(url: string, reason: string, options?: ErrorOptions) {
    super(Code.Unavailable, `cannot reach ${url}: ${reason}`, options);
  }
}

/** What grpc-js, Node or OpenSSL say when no connection comes about, and what that means; `$` is what they say. */
const connectionFaults: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, 'connection refused; is the server running?'],
  [/ENOENT/, 'there is no such socket; is the server running?'],
  [/EACCES/, 'permission denied for the socket'],
  [/ETIMEDOUT|Waiting for LB pick/, 'nothing answers there; is the address right?'],
  [/EHOSTUNREACH|ENETUNREACH/, 'there is no route to the host'],
  [/Name resolution failed/, 'the host name is not known'],
  [/alert certificate required/, 'the server wants a certificate of the client: client-key and client-cert are wanted'],
  [
    /alert (?:bad certificate|unknown ca|certificate (?:expired|revoked|unknown))/,
    "the client's certificate is refused",
  ],
  [/wrong version number|packet length too long|EPROTO/, 'the server does not speak TLS; is grpc:// wanted?'],
  [/certificate has expired/, "the server's certificate has expired"],
  [/altnames/, "the server's certificate is for another host ($)"],
  [
    /unable to (?:verify|get)|self[- ]signed/,
    "the server's certificate is signed by nobody that is trusted ($); server-cert names who is",
  ],
  [/certificate|CERT_|ERR_TLS/i, "the server's certificate is not accepted ($)"],
  [/Protocol error/, 'the server does not speak gRPC, or wants TLS (grpcs://)'],
];

/** What else a connection that is closed without a word can mean. */
const closedAtOnce = /ECONNRESET|socket hang up|Failed to connect/;

/** Answers that only something other than a gRPC server gives. */
const foreignAnswer = /^Received HTTP status code|Call ended without gRPC status/;

/** Turns what grpc-js reports into the one vocabulary of errors, with the server's details decoded. */
export function statusErrorOf(error: ServiceError, url: string): StatusError {
  const text = error.details;
  if (isConnectionFault(error)) return new UnreachableError(url, explain(text, url), { cause: error });
  if (foreignAnswer.test(text) && error.metadata.get('grpc-status').length === 0) {
    return new UnreachableError(url, `the server does not speak gRPC (${text})`, { cause: error });
  }
  return new StatusError(codeOf(error.code), plain(text, url), { cause: error, details: detailsOf(error) });
}

/** What grpc-js says by itself, in words that people understand; what a server says stays as it is. */
function plain(text: string, url: string): string {
  const seconds = /^Deadline exceeded after ([\d.]+)s/.exec(text)?.[1];
  if (seconds !== undefined) return `${url} has not answered within ${Number(seconds).toFixed(1)} s`;
  if (/^Connection dropped|^read ECONNRESET|^Stream refused by server/.test(text))
    return `the connection to ${url} was lost`;
  return text;
}

function isConnectionFault({ code, details }: ServiceError): boolean {
  if (codeOf(code) === Code.DeadlineExceeded) return details.includes('Waiting for LB pick');
  return codeOf(code) === Code.Unavailable && /^No connection established|^Name resolution failed/.test(details);
}

function explain(text: string, url: string): string {
  const said = /Last error: (?:Error(?: \[\w+\])?: )?(.*?)[.:\s]*\. Resolution note/s.exec(text)?.[1] ?? text;
  const known = connectionFaults.find(([pattern]) => pattern.test(text));
  if (known) return known[1].replace('$', inOneLine(said));
  if (!closedAtOnce.test(text)) return inOneLine(said);
  return /^(?:grpcs|https):/i.test(url)
    ? "the connection was closed at once; is the client's certificate the right one, and does the server speak gRPC there?"
    : 'the connection was closed at once; does the server speak gRPC there, or want TLS (grpcs://)?';
}

function inOneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** The `google.rpc.Status` of a call travels in a trailer; one that does not decode has no details. */
function detailsOf(error: ServiceError): readonly StatusDetail[] {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return [];
  try {
    return statusDetails(rpc.Status.decode(bytes));
  } catch {
    return [];
  }
}
