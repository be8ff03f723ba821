import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ServerCredentials } from '@grpc/grpc-js';
import { Code } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import type { ChannelConfig } from '../config/endpoint-config.js';

/**
 * Reads the key and the certificates of a channel. Throws INVALID_ARGUMENT for files that cannot be what they should: a
 * mistake must show at the start, and not in every client. A certificate that is not valid today goes to the log.
 */
export async function readServerCredentials(
  { tlsServerKey, tlsServerCert, tlsClientCerts }: NonNullable<ChannelConfig['credentials']>,
  logger: Logger,
): Promise<ServerCredentials> {
  const [key, cert] = [await readPem('tls-server-key', tlsServerKey), await readPem('tls-server-cert', tlsServerCert)];
  const privateKey = parse(() => createPrivateKey(key), `${tlsServerKey} is no private key without a password`);
  const [first] = certificatesIn(cert, tlsServerCert);
  if (first && !first.checkPrivateKey(privateKey)) {
    throw invalid(`The key ${tlsServerKey} is not that of the certificate ${tlsServerCert}`);
  }
  if (first) tellOfDates(first, tlsServerCert, logger);
  const clientCerts = tlsClientCerts === undefined ? null : await readPem('tls-client-certs', tlsClientCerts);
  if (clientCerts) certificatesIn(clientCerts, tlsClientCerts ?? '');
  return ServerCredentials.createSsl(clientCerts, [{ private_key: key, cert_chain: cert }], clientCerts !== null);
}

async function readPem(key: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (reason) {
    throw invalid(`${key}: cannot read ${path}: ${errnoOf(reason) ?? String(reason)}`, reason);
  }
}

/** All certificates of a file; one is there at least. */
function certificatesIn(pem: Buffer, path: string): readonly X509Certificate[] {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw invalid(`${path} holds no certificate in PEM form`);
  return blocks.map((block) => parse(() => new X509Certificate(block), `${path} holds a damaged certificate`));
}

function tellOfDates({ validFrom, validTo }: X509Certificate, path: string, logger: Logger): void {
  const now = Date.now();
  const isValid = Date.parse(validFrom) <= now && now <= Date.parse(validTo);
  if (!isValid) logger.warn({ path, validFrom, validTo }, 'The certificate of the server is not valid today');
}

function parse<Parsed>(parser: () => Parsed, fault: string): Parsed {
  try {
    return parser();
  } catch (reason) {
    throw invalid(fault, reason);
  }
}

function invalid(text: string, cause?: unknown): StatusError {
  return new StatusError(Code.InvalidArgument, text, { cause });
}
