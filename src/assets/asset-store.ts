import type { BlobStore } from '../blobstore/blob-store.js';
import { type Clock, systemClock } from '../common/clock.js';
import { type Logger, silentLogger } from '../common/logger.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';
import type { Content } from '../merkle/find-missing-content.js';
import type { Asset, AssetContent, AssetKind, Qualifier } from './asset.js';
import { assetKey, qualifierSetsKey } from './asset-key.js';
import type { AssetQuery, AssetSource } from './asset-source.js';
import { assertWhole, faultOfContent } from './content-check.js';
import { NamedValues, type ValueReader } from './named-values.js';
import { includesQualifiers } from './qualifiers.js';
import { decodeAsset, decodeQualifierSets, encodeAsset, encodeQualifierSets } from './stored-asset.js';

/** What an {@link AssetStore} depends on. */
export interface AssetStoreOptions {
  /** Keeps the names. */
  readonly values: KeyedStore;
  /** Holds what they stand for. */
  readonly blobs: BlobStore;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** Names to be given. */
export interface AssetPush extends AssetContent {
  readonly uris: readonly string[];
  /** When the content was retrieved, in milliseconds since the epoch. @defaultValue now */
  readonly storedAtMs?: number;
}

/** So many sets of qualifiers of a URI are found by a part of them, the latest ones; by all of them every one is found. */
const maxQualifierSets = 100;

/**
 * Keeps assets in a {@link KeyedStore}: a value for each URI with its qualifiers, the last push wins. An asset whose content
 * is no longer all in the CAS counts as absent and is dropped; finding one refreshes the lifetime of its content (AS-1).
 */
export class AssetStore implements AssetSource {
  readonly #values: NamedValues;
  readonly #blobs: BlobStore;
  readonly #clock: Clock;

  constructor({ values, blobs, clock = systemClock, logger = silentLogger }: AssetStoreOptions) {
    this.#values = new NamedValues(values, logger);
    this.#blobs = blobs;
    this.#clock = clock;
  }

  async find(query: AssetQuery, signal?: AbortSignal): Promise<Asset | undefined> {
    const { kind, uris, qualifiers } = query;
    for (const uri of uris) {
      const exact = await this.#findOne(query, uri, qualifiers, signal);
      if (exact) return exact;
      for (const set of await this.#qualifierSets(kind, uri, signal)) {
        if (set.length === qualifiers.length || !includesQualifiers(set, qualifiers)) continue;
        const found = await this.#findOne(query, uri, set, signal);
        if (found) return found;
      }
    }
    return undefined;
  }

  /**
   * Gives names to content that is in the CAS, in place of what they named before. Durable, where the store is, when it
   * resolves. Throws FAILED_PRECONDITION if content is missing. A moment of expiry that has passed takes the names away.
   */
  async push({ uris, ...push }: AssetPush, signal?: AbortSignal): Promise<void> {
    const { kind, qualifiers, expiresAtMs } = push;
    await assertWhole(this.#blobs, contentOf(push), signal);
    const storedAtMs = push.storedAtMs ?? this.#clock.now();
    for (const uri of uris) {
      const key = assetKey(kind, uri, qualifiers);
      if (expiresAtMs !== undefined && expiresAtMs <= this.#clock.now()) {
        await this.#values.delete(key, signal);
        continue;
      }
      const value = encodeAsset({ ...push, uri, storedAtMs });
      await this.#values.put(key, value, { ...(expiresAtMs !== undefined && { expiresAtMs }) }, signal);
      if (qualifiers.length > 0) await this.#rememberSet(kind, uri, qualifiers, signal);
    }
  }

  async #findOne(
    query: AssetQuery,
    uri: string,
    qualifiers: readonly Qualifier[],
    signal?: AbortSignal,
  ): Promise<Asset | undefined> {
    const reader: ValueReader<Asset> = {
      decode: (bytes) => decodeAsset(query.kind, bytes),
      // What is not wanted need not be whole.
      faultOf: async (asset) =>
        isWanted(asset, query) ? faultOfContent(this.#blobs, contentOf(asset), signal) : undefined,
    };
    const asset = await this.#values.get(assetKey(query.kind, uri, qualifiers), reader, signal);
    return asset && isWanted(asset, query) ? asset : undefined;
  }

  async #qualifierSets(kind: AssetKind, uri: string, signal?: AbortSignal): Promise<readonly (readonly Qualifier[])[]> {
    const reader = { decode: decodeQualifierSets, faultOf: async () => undefined };
    return (await this.#values.get(qualifierSetsKey(kind, uri), reader, signal)) ?? [];
  }

  async #rememberSet(
    kind: AssetKind,
    uri: string,
    qualifiers: readonly Qualifier[],
    signal?: AbortSignal,
  ): Promise<void> {
    const addFirst = (bytes: Buffer | undefined): Uint8Array | undefined => {
      const sets = bytes ? decodeOrForget(bytes) : [];
      const [latest] = sets;
      if (latest && isSameSet(latest, qualifiers)) return undefined;
      const others = sets.filter((set) => !isSameSet(set, qualifiers));
      return encodeQualifierSets([qualifiers, ...others].slice(0, maxQualifierSets));
    };
    await this.#values.update(qualifierSetsKey(kind, uri), addFirst, signal);
  }
}

function contentOf({ kind, digest, references }: AssetContent): Content {
  const { blobs, roots } = references;
  return kind === 'blob' ? { blobs: [digest, ...blobs], roots } : { blobs, roots: [digest, ...roots] };
}

function isWanted(asset: Asset, { oldestAcceptedMs = 0, function: fn }: AssetQuery): boolean {
  return asset.storedAtMs >= oldestAcceptedMs && (fn === undefined || asset.digest.function === fn);
}

function isSameSet(left: readonly Qualifier[], right: readonly Qualifier[]): boolean {
  return left.length === right.length && includesQualifiers(left, right);
}

function decodeOrForget(bytes: Buffer): readonly (readonly Qualifier[])[] {
  try {
    return decodeQualifierSets(bytes);
  } catch {
    return []; // Damaged: what is pushed from now on is found again.
  }
}
