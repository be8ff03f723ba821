import type { StoreReport } from '../blobstore/store-report.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import type { bgdadmin } from '../proto/index.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';

/** Serves `Admin`: what REAPI has no calls for. Only instances that allow it answer. */
export class AdminService {
  readonly #registry: InstanceRegistry;

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async deleteActionResult(
    { instanceName, actionDigest, digestFunction }: bgdadmin.DeleteActionResultRequest,
    { signal }: CallContext,
  ): Promise<bgdadmin.DeleteActionResultResponse.$Properties> {
    this.#assertAllowed(instanceName);
    const cache = this.#registry.actionCache(instanceName);
    this.#registry.assertWritable(instanceName);
    const digest = Digest.fromProto(actionDigest, digestFunctionOf(digestFunction, actionDigest?.hash));
    const existed = (await cache.get(digest, signal)) !== undefined;
    // Also one that is no hit: it may only lack an output that could come back.
    await cache.delete(digest, signal);
    return { existed };
  }

  async getCasStats(
    { instanceName }: bgdadmin.GetCasStatsRequest,
    { signal }: CallContext,
  ): Promise<bgdadmin.CasStats.$Properties> {
    this.#assertAllowed(instanceName);
    return casStats(await this.#registry.reporter(instanceName)(signal));
  }

  #assertAllowed(instanceName: string): void {
    if (this.#registry.get(instanceName).allowsAdmin === true) return;
    throw new StatusError(
      Code.PermissionDenied,
      `Admin calls are not allowed for instance ${JSON.stringify(instanceName)}: "admin: true" in its configuration allows them`,
    );
  }
}

function casStats({ type, role, place, stats, trouble = '', parts }: StoreReport): bgdadmin.CasStats.$Properties {
  const { blobs, sizeBytes, maxBytes, figures = {} } = stats;
  return {
    ...{ type, role, place, trouble, figures: { ...figures }, parts: parts.map(casStats) },
    ...(blobs !== undefined && { blobs }),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(maxBytes !== undefined && { maxBytes }),
  };
}
