import { type Clock, systemClock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { type Logger, silentLogger } from '../common/logger.js';
import { onAbort } from '../common/on-abort.js';
import { orAborted } from '../common/or-aborted.js';
import { StatusError } from '../common/status-error.js';
import { WeightedSemaphore } from '../common/weighted-semaphore.js';
import { SHA256 } from '../digest/digest-function.js';
import type { Asset } from './asset.js';
import type { AssetQuery, AssetSource } from './asset-source.js';
import type { AssetStore } from './asset-store.js';
import type { AllowList } from './origins/allow-list.js';
import type { Origin, OriginRequest } from './origins/origin.js';

/** What an {@link OriginFetchingAssetSource} depends on. */
export interface OriginFetchingOptions {
  /** Asked first; remembers what was fetched. */
  readonly store: AssetStore;
  readonly allowList: AllowList;
  readonly origins: readonly Origin[];
  /** How long one retrieval may take, whatever the client says. */
  readonly timeoutMs: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** One of the URIs of a query, and who can make something of it. */
interface Candidate {
  readonly uri: string;
  readonly origin: Origin;
  readonly request: OriginRequest;
}

interface Retrieval {
  readonly startedAtMs: number;
  readonly asset: Promise<Asset>;
}

/** Retrievals at a time; more of them wait, up to the second number. */
const maxRetrievals = 16;
const maxWaiting = 1_000;

/**
 * Fetches from its origin what nobody has pushed, as far as the allow-list goes, and remembers it like a push. Clients that ask
 * for the same thing share a retrieval, and it goes on when they give up: they find the content when they come back.
 */
export class OriginFetchingAssetSource implements AssetSource, AsyncDisposable {
  readonly #options: OriginFetchingOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #slots = new WeightedSemaphore(maxRetrievals, maxWaiting);
  readonly #running = new Map<string, Retrieval>();
  readonly #stop = new AbortController();

  constructor(options: OriginFetchingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Throws what the origin of the last URL throws, PERMISSION_DENIED if none of the URLs is in the allow-list. */
  async find(query: AssetQuery, signal?: AbortSignal): Promise<Asset | undefined> {
    const known = await this.#options.store.find(query, signal);
    if (known) return known;
    const failures: unknown[] = [];
    for (const candidate of this.#candidates(query)) {
      try {
        return await orAborted(this.#retrieveOnce(candidate, query), signal);
      } catch (reason) {
        signal?.throwIfAborted();
        failures.push(reason);
      }
    }
    // What may heal says more than what one of the mirrors never had.
    if (failures.length > 0) throw failures.find(isUnavailable) ?? failures.at(-1);
    return undefined;
  }

  /** Breaks off what is being retrieved. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new StatusError(Code.Unavailable, 'The server is stopping'));
    await Promise.allSettled([...this.#running.values()].map(({ asset }) => asset));
  }

  /** The URIs for which there is an origin. Throws PERMISSION_DENIED if there is one for some, but permission for none. */
  #candidates(query: AssetQuery): Candidate[] {
    const { kind, uris, qualifiers, function: fn = SHA256 } = query;
    const candidates = uris.flatMap((uri) => {
      const url = URL.canParse(uri) ? new URL(uri) : undefined;
      const origin = url && this.#options.origins.find((each) => each.serves(kind, url));
      return origin ? [{ uri, origin, request: { url, qualifiers, function: fn } }] : [];
    });
    const permitted = candidates.filter(({ request }) => this.#options.allowList.permits(request.url));
    const [first] = candidates;
    if (!first || permitted.length > 0) return permitted;
    const { origin, pathname } = first.request.url;
    throw new StatusError(Code.PermissionDenied, `The server may not fetch from ${origin}${pathname}`);
  }

  #retrieveOnce(candidate: Candidate, query: AssetQuery): Promise<Asset> {
    const { uri, request } = candidate;
    const { qualifiers, function: fn } = request;
    const key = JSON.stringify([query.kind, uri, qualifiers, fn.name]);
    const running = this.#running.get(key);
    if (running && running.startedAtMs >= (query.oldestAcceptedMs ?? 0)) return running.asset;
    const startedAtMs = this.#clock.now();
    const asset = this.#retrieve(candidate, query, startedAtMs);
    const retrieval = { startedAtMs, asset };
    this.#running.set(key, retrieval);
    const forget = (): void => {
      if (this.#running.get(key) === retrieval) this.#running.delete(key);
    };
    void asset.then(forget, forget);
    return asset;
  }

  async #retrieve({ uri, origin, request }: Candidate, query: AssetQuery, storedAtMs: number): Promise<Asset> {
    const { url, qualifiers } = request;
    const { kind } = query;
    const timeoutMs = Math.min(query.timeoutMs ?? Infinity, this.#options.timeoutMs);
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(new DOMException('Out of time', 'TimeoutError')), timeoutMs);
    const stop = onAbort(this.#stop.signal, () => deadline.abort(this.#stop.signal.reason));
    const { signal } = deadline;
    try {
      const release = await this.#slots.acquire(1, signal);
      try {
        const digest = await origin.retrieve(request, signal);
        const content = { kind, qualifiers, digest, references: { blobs: [], roots: [] }, expiresAtMs: undefined };
        await this.#options.store.push({ ...content, uris: [uri], storedAtMs }, signal);
        this.#logger.info({ origin: url.origin, path: url.pathname, digest }, 'An asset was fetched from its origin');
        return { ...content, uri, storedAtMs };
      } finally {
        release();
      }
    } catch (reason) {
      if (!signal.aborted) throw reason;
      // What the abort looks like depends on what it interrupted.
      const error = StatusError.from(signal.reason);
      if (error.code !== Code.DeadlineExceeded) throw error;
      throw new StatusError(Code.DeadlineExceeded, `${url.origin} has taken more than ${timeoutMs} ms`);
    } finally {
      clearTimeout(timer);
      stop[Symbol.dispose]();
    }
  }
}

function isUnavailable(reason: unknown): boolean {
  return StatusError.from(reason).code === Code.Unavailable;
}
