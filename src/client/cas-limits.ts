import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { reapi } from '../proto/index.js';
import { CapabilitiesClient } from './capabilities-client.js';
import { orAborted } from '../common/or-aborted.js';
import type { RemoteInstance } from './remote-instance.js';

/** What a server takes at once. */
export interface CasLimits {
  /** Σ(size + {@link entryOverheadBytes}) of a batch. */
  readonly maxBatchBytes: number;
  readonly maxBlobBytes: number;
  /** Whether ByteStream takes and gives zstd. */
  readonly hasZstd: boolean;
}

/** What a blob adds to a batch message beyond its bytes: its digest and the framing. */
export const entryOverheadBytes = 128;

/** Taken from every server, also one that does not say what it takes. */
const safeBatchBytes = 1024 * 1024;

/** Most servers take so much in one message; more gains nothing, and would have to be held in memory. */
export const usefulBatchBytes = 4 * 1024 * 1024 - 64 * 1024;

/** The limits of a server, asked for once, when they are first needed. */
export class CasLimitsSource {
  readonly #capabilities: CapabilitiesClient;
  #limits: Promise<CasLimits> | undefined;

  constructor(remote: RemoteInstance) {
    this.#capabilities = new CapabilitiesClient(remote);
  }

  /** A failure to ask is not remembered. A server without Capabilities has safe limits. */
  get(signal?: AbortSignal): Promise<CasLimits> {
    this.#limits ??= this.#ask();
    return orAborted(this.#limits, signal);
  }

  async #ask(): Promise<CasLimits> {
    try {
      return limitsOf((await this.#capabilities.get()).cacheCapabilities);
    } catch (reason) {
      if (reason instanceof StatusError && reason.code === Code.Unimplemented) return limitsOf(undefined);
      this.#limits = undefined;
      throw reason;
    }
  }
}

function limitsOf(capabilities: reapi.CacheCapabilities.$Properties | null | undefined): CasLimits {
  // 0 and unset mean: not said, and no limit.
  const announced = capabilities?.maxBatchTotalSizeBytes ?? 0;
  const maxBlobBytes = capabilities?.maxCasBlobSizeBytes ?? 0;
  return {
    maxBatchBytes: announced > 0 ? Math.min(announced, usefulBatchBytes) : safeBatchBytes,
    maxBlobBytes: maxBlobBytes > 0 ? maxBlobBytes : Infinity,
    hasZstd: (capabilities?.supportedCompressors ?? []).includes(reapi.Compressor.Value.ZSTD),
  };
}
