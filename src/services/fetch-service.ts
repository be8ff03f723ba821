import type { Asset, AssetKind } from '../assets/asset.js';
import { OriginError } from '../assets/origins/origin-error.js';
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
    const found = await this.#find('blob', request, signal);
    return found instanceof OriginError
      ? failureOf(found)
      : { ...responseOf(found), blobDigest: found.digest.toProto() };
  }

  async fetchDirectory(
    request: remoteasset.FetchDirectoryRequest,
    { signal }: CallContext,
  ): Promise<remoteasset.FetchDirectoryResponse.$Properties> {
    const found = await this.#find('directory', request, signal);
    return found instanceof OriginError
      ? failureOf(found)
      : { ...responseOf(found), rootDirectoryDigest: found.digest.toProto() };
  }

  /** BuildStream looks at the status of the call alone: what nobody has pushed must not be told in the response. */
  async #find(kind: AssetKind, request: FetchRequest, signal: AbortSignal): Promise<Asset | OriginError> {
    const { source } = this.#registry.assets(request.instanceName);
    try {
      const asset = await source.find(queryOf(kind, request), signal);
      if (asset) return asset;
    } catch (reason) {
      if (reason instanceof OriginError) return reason;
      throw reason;
    }
    const [first] = request.uris;
    throw new StatusError(Code.NotFound, `No ${kind} is known as ${JSON.stringify(first)} with these qualifiers`);
  }
}

/** What went wrong outside of this server. */
function failureOf(failure: OriginError): FetchResponse {
  return { status: statusMessageOf(failure), uri: failure.uri };
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
