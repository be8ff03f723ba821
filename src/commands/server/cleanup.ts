import { join, resolve } from 'node:path';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { cleanupFlags, watermarksOf } from '../../cli/cleanup-flags.js';
import { createLogger } from '../../cli/create-logger.js';
import { dataDirFlag } from '../../cli/data-dir-flag.js';
import { loggerFlags } from '../../cli/logger-flags.js';
import { type CleanupLine, presentCleanup, presentRefill, presentRemoval } from '../../cli/present-cleanup.js';
import { Progress } from '../../cli/progress.js';
import { systemClock } from '../../common/clock.js';
import { isTransient } from '../../common/retry.js';
import { StatusError } from '../../common/status-error.js';
import type { CleanupOptions, UpkeepOptions } from '../../server/run-cleanup.js';

export default class ServerCleanup extends BaseCommand {
  static override summary = 'Remove the least recently used blobs of storages that have an index in SQL.';

  static override description = `Looks at every !sql-index of CONFIG. A storage that has grown beyond the high watermark is brought down to the low one. Servers may go on using it meanwhile: what a client has used or was told of in the last 35 minutes stays, whatever is given.

With --refill it enters what the storage lists into the index instead, for an index that is new or was lost.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --high-watermark 100G --low-watermark 80G s3.yml',
    '<%= config.bin %> <%= command.id %> --high-watermark 100G --dry-run s3.yml',
    '<%= config.bin %> <%= command.id %> --high-watermark 1T --only-if-unused-for 3D --sleep-interval 600 s3.yml',
    '<%= config.bin %> <%= command.id %> --refill s3.yml',
  ];

  static override args = {
    config: Args.string({ description: 'YAML file of the servers.' }),
  };

  static override flags = {
    ...loggerFlags,
    'data-dir': dataDirFlag,
    ...cleanupFlags,
  };

  async run(): Promise<readonly object[]> {
    const { args, flags } = await this.parse(ServerCleanup);
    const watermarks = flags.refill ? undefined : watermarksOf(flags);
    const { loadServerConfig } = await import('../../server/load-server-config.js');
    const config = await loadServerConfig({
      file: args.config ?? join(this.config.root, 'docs/examples/default.yml'),
      environment: { ...process.env, BGD_DATA_DIR: resolve(flags['data-dir'] ?? this.config.dataDir) },
    });
    const upkeep = { config, logger: await createLogger(flags) };
    using progress = new Progress();
    if (!watermarks) return await this.#refill(upkeep, progress);
    const cleanup = {
      ...watermarks,
      batchBytes: flags['batch-size'],
      unusedForMs: flags['only-if-unused-for'],
      isDryRun: flags['dry-run'],
      onProgress: progress.showing(presentRemoval),
    };
    const once = (): Promise<readonly CleanupLine[]> => this.#cleanUp(upkeep, cleanup, progress);
    const interval = flags['sleep-interval'];
    return await (interval === undefined ? once() : this.#repeat(once, interval, progress));
  }

  async #refill(upkeep: UpkeepOptions, progress: Progress): Promise<readonly object[]> {
    const { runRefill } = await import('../../server/run-cleanup.js');
    const refills = await runRefill(upkeep, progress.showing(presentRefill), this.signal);
    progress.clear();
    for (const refill of refills) this.log(`${refill.storage}: ${presentRefill(refill)}`);
    return refills;
  }

  async #cleanUp(upkeep: UpkeepOptions, cleanup: CleanupOptions, progress: Progress): Promise<readonly CleanupLine[]> {
    const { runCleanup } = await import('../../server/run-cleanup.js');
    const reports = await runCleanup(upkeep, cleanup, this.signal);
    progress.clear();
    for (const report of reports) {
      this.log(presentCleanup(report, cleanup.isDryRun));
      if (report.isShort) this.logToStderr(`${report.storage}: what is left above the low watermark was used lately`);
    }
    return reports;
  }

  /** Until it is stopped, which is a good end. A database or storage that is away for a while is tried again. */
  async #repeat(
    once: () => Promise<readonly CleanupLine[]>,
    intervalMs: number,
    progress: Progress,
  ): Promise<readonly CleanupLine[]> {
    const stopped = (): boolean => this.signal.aborted;
    let last: readonly CleanupLine[] = [];
    while (!stopped()) {
      try {
        last = await once();
      } catch (reason) {
        if (stopped()) break;
        if (!isTransient(reason)) throw reason;
        progress.say(`${StatusError.from(reason).message}; trying again`);
      }
      await systemClock.sleep(intervalMs, this.signal);
    }
    return last;
  }
}
