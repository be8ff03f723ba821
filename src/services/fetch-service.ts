import type { Asset, AssetKind } from '../assets/asset.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { remoteasset } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';
import { secondsAndNanosOf } from '../proto/timestamp.js';
import { type FetchRequest, queryOf } from './asset-request.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';

/** What the responses to both methods have in common. */
type FetchResponse = Omit<remoteasset.FetchBlobResponse.$Properties, 'blobDigest'>;

/** Serves `Fetch` of the Remote Asset API from the assets of its instances. */
export class FetchService {
  readonly #registry: InstanceRegistry;

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async fetchBlob(
    request: remoteasset.FetchBlobRequest,
    { signal }: CallContext,
  ): Promise<remoteasset.FetchBlobResponse.$Properties> {
    const asset = await this.#find('blob', request, signal);
    return { ...responseOf(asset), blobDigest: asset.digest.toProto() };
  }

  async fetchDirectory(
    request: remoteasset.FetchDirectoryRequest,
    { signal }: CallContext,
  ): Promise<remoteasset.FetchDirectoryResponse.$Properties> {
    const asset = await this.#find('directory', request, signal);
    return { ...responseOf(asset), rootDirectoryDigest: asset.digest.toProto() };
  }

  /**
   * Every failure is the status of the call. The protocol has one in the response as well, which BuildStream 1 and Bazel 4
   * do not look at: they would take an asset that was not found for an empty one.
   */
  async #find(kind: AssetKind, request: FetchRequest, signal: AbortSignal): Promise<Asset> {
    const { source } = this.#registry.assets(request.instanceName);
    const asset = await source.find(queryOf(kind, request), signal);
    if (asset) return asset;
    const [first] = request.uris;
    throw new StatusError(Code.NotFound, `No ${kind} is known as ${JSON.stringify(first)} with these qualifiers`);
  }
}

/** The content may go before the names expire where the storage runs out of room. */
function responseOf({ uri, qualifiers, expiresAtMs, digest }: Asset): FetchResponse {
  return {
    status: statusMessageOf(undefined),
    uri,
    qualifiers: [...qualifiers],
    ...(expiresAtMs !== undefined && { expiresAt: secondsAndNanosOf(expiresAtMs) }),
    digestFunction: digest.function.value,
  };
}
