import type { StoreReport } from '../blobstore/store-report.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import type { bgdadmin } from '../proto/index.js';
import { secondsAndNanosOf } from '../proto/timestamp.js';
import type { CallContext } from './call-context.js';
import { botMessage, operationDetailsMessage } from './inspection-messages.js';
import type { InstanceExecution, InstanceRegistry } from './instance-registry.js';
import { parseOperationName } from './operation-name.js';

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

  async getOperationDetails({
    name,
  }: bgdadmin.GetOperationDetailsRequest): Promise<bgdadmin.OperationDetails.$Properties> {
    const reference = parseOperationName(name);
    const execution = this.#execution(reference.instanceName);
    return operationDetailsMessage(await execution.scheduler.inspector.describe(reference), execution);
  }

  async requeueOperation({
    name,
  }: bgdadmin.RequeueOperationRequest): Promise<bgdadmin.RequeueOperationResponse.$Properties> {
    const reference = parseOperationName(name);
    await this.#execution(reference.instanceName).scheduler.inspector.requeue(reference);
    return {};
  }

  async listBots({
    instanceName,
    properties,
    pageSize,
    pageToken,
  }: bgdadmin.ListBotsRequest): Promise<bgdadmin.ListBotsResponse.$Properties> {
    const { scheduler } = this.#execution(instanceName);
    const wanted = properties.map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }));
    const request = { instanceName, properties: wanted, pageSize, pageToken };
    const { bots, nextPageToken, asOfMs } = await scheduler.inspector.bots(request);
    return {
      bots: bots.map((bot) => botMessage(instanceName, bot)),
      nextPageToken,
      asOf: secondsAndNanosOf(asOfMs),
    };
  }

  async drainBot({
    instanceName,
    botId,
    undo,
  }: bgdadmin.DrainBotRequest): Promise<bgdadmin.DrainBotResponse.$Properties> {
    await this.#execution(instanceName).scheduler.inspector.drain({ instanceName, botId }, !undo);
    return {};
  }

  /** Throws UNIMPLEMENTED where this endpoint does not execute. */
  #execution(instanceName: string): InstanceExecution {
    this.#assertAllowed(instanceName);
    return this.#registry.execution(instanceName);
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
