import { join, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { createLogger } from '../../cli/create-logger.js';
import { dataDirFlag } from '../../cli/data-dir-flag.js';
import { ExitCode } from '../../cli/exit-code.js';
import { loggerFlags } from '../../cli/logger-flags.js';
import { presentFsckOutcome, presentFsckState } from '../../cli/present-fsck.js';
import { Progress } from '../../cli/progress.js';
import type { FsckProgress, FsckReport } from '../../server/fsck-report.js';

export default class ServerFsck extends BaseCommand {
  static override summary = 'Check every blob that a stopped server keeps on disk.';

  static override description = `Reads the !disk-storage folders of CONFIG as a whole and compares each blob with its digest, at a time when no server has them open. What is damaged is printed, a line each, and is exit code 1; nothing is changed.

With --repair damaged blobs are put into the folder "quarantine" of their storage, so that clients upload them anew, and what is known of the others is read anew from them.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --repair --action-cache cache.yml',
  ];

  static override args = {
    config: Args.string({ description: 'YAML file of the server; by default what runs without one.' }),
  };

  static override flags = {
    ...loggerFlags,
    'data-dir': dataDirFlag,
    'action-cache': Flags.boolean({
      env: 'BGD_ACTION_CACHE',
      summary:
        'Check action results that are kept in folders, too: whether they can be read and all outputs are there.',
    }),
    repair: Flags.boolean({
      env: 'BGD_REPAIR',
      summary: 'Put damaged blobs aside, and remove action results that nobody can use.',
    }),
  };

  async run(): Promise<FsckReport> {
    const { args, flags } = await this.parse(ServerFsck);
    const [{ loadServerConfig }, { runFsck }] = await Promise.all([
      import('../../server/load-server-config.js'),
      import('../../server/run-fsck.js'),
    ]);
    const config = await loadServerConfig({
      file: args.config ?? join(this.config.root, 'docs/examples/default.yml'),
      environment: { ...process.env, BGD_DATA_DIR: resolve(flags['data-dir'] ?? this.config.dataDir) },
    });
    using progress = new Progress();
    const report = await runFsck(
      {
        config,
        logger: await createLogger(flags),
        checksResults: flags['action-cache'],
        repairs: flags.repair,
        onFinding: ({ folder, item, fault }) => {
          progress.clear();
          this.log([folder, item, fault].filter(Boolean).join(': '));
        },
        onProgress: progress.showing(stateWithRate()),
      },
      this.signal,
    );
    progress.clear();
    for (const outcome of [...report.blobs, ...report.results]) this.log(presentFsckOutcome(outcome));
    if (report.findings.length > 0) process.exitCode = ExitCode.Other;
    return report;
  }
}

/** Words a state, with the rate since the first one of its folder. */
function stateWithRate(): (state: FsckProgress) => string {
  let current: string | undefined;
  let startedAt = 0;
  return (state) => {
    if (state.folder !== current) [current, startedAt] = [state.folder, performance.now()];
    return presentFsckState(state, (performance.now() - startedAt) / 1000);
  };
}
