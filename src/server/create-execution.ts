import { policyOf } from '../config/action-cache-config.js';
import type { ExecutionConfig } from '../config/execution-config.js';
import type { SchedulerOptions } from '../scheduler/scheduler-options.js';
import { Scheduler } from '../scheduler/scheduler.js';
import type { InstanceExecution } from '../services/instance-registry.js';
import type { Composition } from './composition.js';
import { createActionCache } from './create-action-cache.js';
import { createBlobStore } from './create-blob-store.js';
import { createJobStore } from './create-job-store.js';

/** Builds and starts the scheduler that `config` describes. */
export function createExecution(config: ExecutionConfig, composition: Composition): Promise<InstanceExecution> {
  return composition.once(config, (each) => createNew(each, composition));
}

async function createNew(config: ExecutionConfig, composition: Composition): Promise<InstanceExecution> {
  const { lifecycle, logger } = composition;
  const blobs = await createBlobStore(config.storage, composition);
  const actionCache = config.actionCache && (await createActionCache(config.actionCache, composition));
  const store = await createJobStore(config.dataStore, composition);
  const ports = { store, logger, ...(actionCache && { actionCache }) };
  const scheduler = lifecycle.use(new Scheduler(ports, schedulerOptionsOf(config)));
  await scheduler.start();
  const { actionBrowserUrl } = config;
  return { scheduler, blobs, ...(actionBrowserUrl !== undefined && { actionBrowserUrl }) };
}

function schedulerOptionsOf(config: ExecutionConfig): SchedulerOptions {
  const { propertyKeys, actionCache, botSessionKeepaliveTimeout, maxExecutionTimeout, maxQueueTime } = config;
  const { cancelUnwatchedAfter, quarantineTime } = config;
  return {
    propertyKeys,
    cacheFailedActions: actionCache !== undefined && policyOf(actionCache).cacheFailedActions,
    ...(botSessionKeepaliveTimeout !== undefined && { keepaliveMs: botSessionKeepaliveTimeout * 1000 }),
    ...(maxExecutionTimeout !== undefined && { maxExecutionTimeoutMs: maxExecutionTimeout * 1000 }),
    ...(maxQueueTime !== undefined && { maxQueueTimeMs: maxQueueTime * 1000 }),
    ...(cancelUnwatchedAfter !== undefined && { cancelUnwatchedAfterMs: cancelUnwatchedAfter * 1000 }),
    ...(quarantineTime !== undefined && { quarantineMs: quarantineTime * 1000 }),
  };
}
