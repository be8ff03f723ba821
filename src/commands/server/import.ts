import { join, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { createLogger } from '../../cli/create-logger.js';
import { dataDirFlag } from '../../cli/data-dir-flag.js';
import { ExitCode } from '../../cli/exit-code.js';
import { loggerFlags } from '../../cli/logger-flags.js';
import { presentImport } from '../../cli/present-import.js';
import { Progress } from '../../cli/progress.js';
import type { ImportReport } from '../../server/run-import.js';

export default class ServerImport extends BaseCommand {
  static override summary = "Take over the blobs of a BuildGrid's !disk-storage.";

  static override description = `Copies what BuildGrid keeps below PATH/cas/objects into the !disk-storage of CONFIG, at a time when no server has that open. Each blob is compared with its hash; one that is damaged is printed, is left out, and is exit code 1. BuildGrid's folder stays as it is. What was imported before is passed over, so an import that was stopped can be started again.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --from /var/lib/buildgrid',
    '<%= config.bin %> <%= command.id %> --from /var/lib/buildgrid --into /var/lib/bgd/cas cache.yml',
  ];

  static override args = {
    config: Args.string({ description: 'YAML file of the server; by default what runs without one.' }),
  };

  static override flags = {
    ...loggerFlags,
    'data-dir': dataDirFlag,
    from: Flags.string({
      env: 'BGD_FROM',
      summary: "Folder that is the path of BuildGrid's !disk-storage.",
      helpValue: 'PATH',
      required: true,
    }),
    into: Flags.string({
      env: 'BGD_INTO',
      summary: 'Path of the !disk-storage that takes the blobs, if CONFIG has several.',
      helpValue: 'PATH',
    }),
  };

  async run(): Promise<ImportReport> {
    const { args, flags } = await this.parse(ServerImport);
    const [{ loadServerConfig }, { runImport }] = await Promise.all([
      import('../../server/load-server-config.js'),
      import('../../server/run-import.js'),
    ]);
    const config = await loadServerConfig({
      file: args.config ?? join(this.config.root, 'docs/examples/default.yml'),
      environment: { ...process.env, BGD_DATA_DIR: resolve(flags['data-dir'] ?? this.config.dataDir) },
    });
    using progress = new Progress();
    const onDamaged = (path: string, fault: string): void => {
      progress.clear();
      this.log(`${path}: ${fault}`);
    };
    const onProgress = progress.showing(presentImport);
    const { from, into } = flags;
    const options = { config, logger: await createLogger(flags), from, into, onDamaged, onProgress };
    const report = await runImport(options, this.signal);
    progress.clear();
    this.log(`${report.into}: ${presentImport(report)}`);
    if (report.evicted > 0) this.logToStderr(`its size is too small for all: ${report.evicted} blobs had to go again`);
    if (report.damaged > 0) process.exitCode = ExitCode.Other;
    return report;
  }
}
