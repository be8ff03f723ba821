import type { ActionCache } from '../actioncache/action-cache.js';
import { detachInlineBytes, referencesOf, withWorker } from '../actioncache/action-result.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import { bytesOnce } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';
import { BlobSizes } from './blob-sizes.js';
import { BodyCollector } from './body-collector.js';
import { CacheValues } from './cache-values.js';
import { type CachePath, parseCachePath } from './cache-path.js';
import type { HttpReply, HttpRequest } from './http-exchange.js';
import { folderMade, propertiesOf, webdavMethods } from './webdav.js';

/** What {@link HttpCache} serves from. */
export interface HttpCacheOptions {
  readonly blobs: BlobStore;
  /** Keeps sizes of blobs, and the digests of values by their keys. */
  readonly keys: KeyedStore;
  /** Where Bazel's action results are. @defaultValue they are refused */
  readonly actionCache?: ActionCache;
  /** Whether clients may write blobs. @defaultValue true */
  readonly allowsBlobs?: boolean;
  /** Whether clients may write values, which others believe. */
  readonly allowsUpdates: boolean;
  /** Whether they may write action results. */
  readonly allowsResultUpdates: boolean;
  /** What a value, or a blob of unknown size, may have. */
  readonly maxValueBytes: number;
}

type BlobPath = Extract<CachePath, { readonly hash: string }>;

const maxActionResultBytes = 16 * 1024 * 1024;

const maxBytesInFlight = 256 * 1024 * 1024;

/** HTTP does not tell the size of an Action. No Action has one byte, so results from here meet no others. */
const sizeOfUnknownAction = 1;

/**
 * A cache for tools that speak HTTP: Bazel's `/ac/HASH` and `/cas/HASH`, and values under any other path, as ccache, sccache
 * (WebDAV) and Gradle use them. A prefix in front of Bazel's paths is an instance with action results of its own.
 */
export class HttpCache {
  readonly #options: HttpCacheOptions;
  readonly #sizes: BlobSizes;
  readonly #values: CacheValues;
  readonly #bodies: BodyCollector;
  readonly #resultBodies = new BodyCollector({ maxBytes: maxActionResultBytes, maxBytesInFlight });

  constructor(options: HttpCacheOptions) {
    const { keys, blobs, maxValueBytes } = options;
    this.#options = options;
    this.#sizes = new BlobSizes(keys, blobs);
    this.#values = new CacheValues(keys, blobs);
    this.#bodies = new BodyCollector({ maxBytes: maxValueBytes, maxBytesInFlight });
  }

  /** See `HttpHandler`. */
  async handle(request: HttpRequest): Promise<HttpReply> {
    if (request.path === '/healthz') return { status: 200, body: 'ok\n' };
    const path = parseCachePath(request.path);
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return this.#get(path, request);
      case 'PUT':
        return this.#put(path, request);
      case 'DELETE':
        return this.#delete(path, request);
      case 'PROPFIND':
        return this.#describe(path, request);
      case 'MKCOL':
        return folderMade();
      case 'OPTIONS':
        return { status: 200, headers: { allow: webdavMethods, dav: '1' } };
      default:
        return { status: 405, headers: { allow: webdavMethods }, body: `${request.method} is not served here\n` };
    }
  }

  async #get(path: CachePath, request: HttpRequest): Promise<HttpReply> {
    if (path.kind === 'ac') return this.#getActionResult(path, request);
    const digest = await this.#find(path, request);
    if (!digest) throw notFound(request);
    return this.#contentOf(digest, request);
  }

  async #find(path: CachePath, { signal }: HttpRequest): Promise<Digest | undefined> {
    switch (path.kind) {
      case 'cas':
        return this.#sizes.find(path.hash, path.fn, signal);
      case 'value':
        return this.#values.find(path.key, signal);
      case 'ac':
      case 'folder':
        return undefined;
    }
  }

  #contentOf(digest: Digest, { method, signal }: HttpRequest): HttpReply {
    const headers = { 'content-type': 'application/octet-stream' };
    const reply = { status: 200, headers, sizeBytes: digest.sizeBytes };
    return method === 'HEAD' ? reply : { ...reply, body: this.#options.blobs.read(digest, {}, signal) };
  }

  async #getActionResult(path: BlobPath, request: HttpRequest): Promise<HttpReply> {
    const result = await this.#actionCache().get(actionDigestOf(path), request.signal);
    if (!result) throw notFound(request);
    const bytes = reapi.ActionResult.encode(result).finish();
    return {
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      sizeBytes: bytes.length,
      body: bytesOnce(bytes),
    };
  }

  async #put(path: CachePath, request: HttpRequest): Promise<HttpReply> {
    const { signal } = request;
    switch (path.kind) {
      case 'cas':
        mustBe(this.#options.allowsBlobs ?? true);
        await this.#putBlob(path, request);
        break;
      case 'ac':
        mustBe(this.#options.allowsResultUpdates);
        await this.#resultBodies.with(request, (body) => this.#putActionResult(path, body, signal));
        break;
      case 'value':
        mustBe(this.#options.allowsUpdates);
        await this.#bodies.with(request, (body) => this.#values.put(path.key, body, signal));
        break;
      case 'folder':
        throw new StatusError(Code.InvalidArgument, 'A value cannot have a path that ends in /');
    }
    return { status: 201 };
  }

  /** Streams, if the size is known. */
  async #putBlob({ hash, fn }: BlobPath, request: HttpRequest): Promise<void> {
    const { sizeBytes, body, signal } = request;
    const write = async (digest: Digest, content: AsyncIterable<Uint8Array>): Promise<void> => {
      await this.#options.blobs.write(digest, content, signal);
      await this.#sizes.note(digest, signal);
    };
    if (sizeBytes !== undefined) return write(Digest.from(hash, sizeBytes, fn), body);
    return this.#bodies.with(request, (bytes) => write(Digest.from(hash, bytes.length, fn), bytesOnce(bytes)));
  }

  async #putActionResult(path: BlobPath, body: Buffer, signal: AbortSignal): Promise<void> {
    const given = decodeMessage('an ActionResult', reapi.ActionResult, body);
    // Checked here, for what does not pass is the client's mistake and not a miss for the next one.
    referencesOf(detachInlineBytes(given, path.fn).result, path.fn);
    await this.#actionCache().update(actionDigestOf(path), withWorker(given), signal);
  }

  async #delete(path: CachePath, request: HttpRequest): Promise<HttpReply> {
    mustBe(this.#options.allowsUpdates);
    if (path.kind !== 'value') return { status: 405, body: 'Only values can be deleted\n' };
    await this.#values.delete(path.key, request.signal);
    return { status: 204 };
  }

  async #describe(path: CachePath, request: HttpRequest): Promise<HttpReply> {
    if (path.kind === 'folder') return propertiesOf(request.path);
    const digest = await this.#find(path, request);
    if (!digest) throw notFound(request);
    return propertiesOf(request.path, digest.sizeBytes);
  }

  #actionCache(): ActionCache {
    const { actionCache } = this.#options;
    if (actionCache) return actionCache;
    throw new StatusError(Code.NotFound, 'There is no action cache here: name one as action-cache of !http-cache');
  }
}

function mustBe(isAllowed: boolean): void {
  if (!isAllowed) throw new StatusError(Code.PermissionDenied, 'Clients may not write this to the cache');
}

function actionDigestOf({ prefix, hash, fn }: BlobPath): Digest {
  return Digest.from(prefix === '' ? hash : nameIn(prefix, hash, fn), sizeOfUnknownAction, fn);
}

/** Gives each prefix its own results: a hash that is as unlikely to be met again as any. */
function nameIn(prefix: string, hash: string, fn: DigestFunction): string {
  return fn.hash(Buffer.from(`${prefix}/${hash}`));
}

function notFound({ path }: HttpRequest): StatusError {
  return new StatusError(Code.NotFound, `${path} is not in the cache`);
}
