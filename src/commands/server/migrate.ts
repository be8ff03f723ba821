import { join, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { createLogger } from '../../cli/create-logger.js';
import { dataDirFlag } from '../../cli/data-dir-flag.js';
import { loggerFlags } from '../../cli/logger-flags.js';
import { presentMigrations, type MigrationLine } from '../../cli/present-migrations.js';

export default class ServerMigrate extends BaseCommand {
  static override summary = 'Bring the databases of a configuration up to date.';

  static override description = `Makes the tables that CONFIG needs in its databases, or changes those of an older version, also where it says automigrate: false. Each database is changed in one transaction: it is done whole or not at all. Tables of a newer version, or of another program, are refused. A SQLite file must not be open in a server; servers over PostgreSQL may go on meanwhile, but those of an older version do not start any more.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --dry-run controllers.yml',
    '<%= config.bin %> <%= command.id %> controllers.yml',
  ];

  static override args = {
    config: Args.string({ description: 'YAML file of the server; by default what runs without one.' }),
  };

  static override flags = {
    ...loggerFlags,
    'data-dir': dataDirFlag,
    'dry-run': Flags.boolean({ env: 'BGD_DRY_RUN', summary: 'Only say what would be done.' }),
  };

  async run(): Promise<readonly MigrationLine[]> {
    const { args, flags } = await this.parse(ServerMigrate);
    const [{ loadServerConfig }, { runMigrate }] = await Promise.all([
      import('../../server/load-server-config.js'),
      import('../../server/run-migrate.js'),
    ]);
    const config = await loadServerConfig({
      file: args.config ?? join(this.config.root, 'docs/examples/default.yml'),
      environment: { ...process.env, BGD_DATA_DIR: resolve(flags['data-dir'] ?? this.config.dataDir) },
    });
    const isDryRun = flags['dry-run'];
    const reports = await runMigrate({ config, logger: await createLogger(flags), isDryRun }, this.signal);
    this.log(presentMigrations(reports, isDryRun));
    return reports;
  }
}
