import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { BlobStore } from '../../blobstore/blob-store.js';
import { Code } from '../../common/code.js';
import { StatusError, errnoOf } from '../../common/status-error.js';
import { Digest } from '../../digest/digest.js';
import type { AssetKind } from '../asset.js';
import type { AddressGuard } from './address-guard.js';
import type { AllowList } from './allow-list.js';
import { checkQualifiers } from './check-qualifiers.js';
import type { Origin, OriginRequest } from './origin.js';
import { SpooledContent } from './spooled-content.js';
import { SubresourceIntegrity } from './subresource-integrity.js';

/** What an {@link HttpOrigin} depends on. */
export interface HttpOriginOptions {
  readonly blobs: BlobStore;
  readonly allowList: AllowList;
  readonly guard: AddressGuard;
  /** More bytes than these are not taken. */
  readonly maxBytes: number;
}

const maxRedirects = 10;

const redirects = new Set([301, 302, 303, 307, 308]);

/** What Bazel adds to keep its own cache apart, and asks nothing of the content. */
const canonicalId = 'bazel.canonical_id';

/**
 * Fetches blobs by HTTP and HTTPS. Every step of the way is in the allow-list and leads to an address that the guard
 * permits; nothing is stored but the whole of a body that meets the checksum, if one is asked for.
 */
export class HttpOrigin implements Origin {
  readonly #options: HttpOriginOptions;

  constructor(options: HttpOriginOptions) {
    this.#options = options;
  }

  serves(kind: AssetKind, { protocol }: URL): boolean {
    return kind === 'blob' && (protocol === 'https:' || protocol === 'http:');
  }

  async retrieve(request: OriginRequest, signal: AbortSignal): Promise<Digest> {
    const values = checkQualifiers(request.qualifiers, ['checksum.sri', canonicalId]);
    const checksum = values.get('checksum.sri');
    const integrity = checksum === undefined ? undefined : SubresourceIntegrity.parse(checksum);
    const response = await this.#follow(request.url, signal);
    try {
      await using content = await SpooledContent.create();
      const digest = await this.#keep(response, content, { ...request, integrity });
      const [missing] = await this.#options.blobs.findMissing([digest], signal);
      if (missing) await this.#options.blobs.write(digest, content.read(), signal);
      return digest;
    } finally {
      response.destroy();
    }
  }

  /** The response at the end of all redirects, with a body that is wanted. */
  async #follow(start: URL, signal: AbortSignal): Promise<IncomingMessage> {
    let url = start;
    for (let step = 0; step <= maxRedirects; step += 1) {
      const response = await this.#get(url, signal);
      const { location } = response.headers;
      if (!redirects.has(response.statusCode ?? 0) || location === undefined) {
        if (response.statusCode === 200) return response;
        response.destroy();
        throw failureOf(url, response.statusCode ?? 0);
      }
      response.destroy();
      url = this.#redirected(url, location);
    }
    throw new StatusError(Code.FailedPrecondition, `${named(start)} redirects more than ${maxRedirects} times`);
  }

  #redirected(from: URL, location: string): URL {
    const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    if (to && this.#options.allowList.permits(to)) return to;
    throw new StatusError(
      Code.PermissionDenied,
      `${named(from)} redirects to ${to ? named(to) : 'no URL'}, which the server may not fetch from`,
    );
  }

  async #get(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    const { guard } = this.#options;
    // Names are looked at when they are looked up; addresses are not looked up. Those of IPv6 stand in brackets.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !guard.permits(host)) {
      throw new StatusError(
        Code.PermissionDenied,
        `${named(url)} is in a private network, which the server may not fetch from`,
      );
    }
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      agent: false,
      headers: { 'accept-encoding': 'identity', 'user-agent': 'bgd' },
      lookup: guard.lookup,
      signal,
    });
    // What breaks later shows in the body as well.
    request.on('error', () => undefined);
    try {
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return response;
    } catch (reason) {
      request.destroy();
      throw connectionFailure(url, reason);
    }
  }

  /** Puts the body into `content` and returns its digest, once it is all there and right. */
  async #keep(
    response: IncomingMessage,
    content: SpooledContent,
    { url, function: fn, integrity }: OriginRequest & { readonly integrity: SubresourceIntegrity | undefined },
  ): Promise<Digest> {
    const hasher = fn.createHasher();
    const check = integrity?.begin();
    this.#checkSize(url, Number(response.headers['content-length'] ?? 0));
    const encoding = response.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      throw new StatusError(Code.FailedPrecondition, `${named(url)} is sent as ${encoding}, which nobody asked for`);
    }
    for await (const chunk of bodyOf(url, response)) {
      hasher.update(chunk);
      check?.update(chunk);
      await content.append(chunk);
      this.#checkSize(url, content.sizeBytes);
    }
    if (check && !check.isMet()) {
      throw new StatusError(Code.FailedPrecondition, `The content of ${named(url)} does not match checksum.sri`);
    }
    return Digest.from(hasher.digest(), content.sizeBytes, fn);
  }

  #checkSize(url: URL, sizeBytes: number): void {
    const { maxBytes } = this.#options;
    if (sizeBytes <= maxBytes) return;
    throw new StatusError(
      Code.FailedPrecondition,
      `${named(url)} has more than the ${maxBytes} bytes that are fetched`,
    );
  }
}

async function* bodyOf(url: URL, response: IncomingMessage): AsyncIterable<Buffer> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (reason) {
    throw connectionFailure(url, reason);
  }
}

/** Without the query, which may hold a secret (S6). */
function named({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

function failureOf(url: URL, status: number): StatusError {
  const message = `${named(url)} answers with status ${status}`;
  if (status === 404 || status === 410) return new StatusError(Code.NotFound, message);
  if (status === 401 || status === 403 || status === 407) return new StatusError(Code.PermissionDenied, message);
  if (status === 429 || status >= 500) return new StatusError(Code.Unavailable, message);
  return new StatusError(Code.FailedPrecondition, message);
}

/** Names of errors for a certificate that is not good enough, which no repetition heals. */
const badCertificate = /CERT|^ERR_TLS|^UNABLE_TO_/;

function connectionFailure(url: URL, reason: unknown): StatusError {
  const error = StatusError.from(reason);
  // Told to break off, or refused by the guard.
  if (error.code !== Code.Internal) return error;
  const name = errnoOf(reason) ?? error.message;
  const message = `Fetching ${named(url)} fails: ${name}`;
  if (badCertificate.test(name)) return new StatusError(Code.FailedPrecondition, message, { cause: reason });
  return new StatusError(Code.Unavailable, message, { cause: reason });
}
