import { join, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { createLogger } from '../../cli/create-logger.js';
import { dataDirFlag } from '../../cli/data-dir-flag.js';
import { loggerFlags } from '../../cli/logger-flags.js';

export default class ServerStart extends BaseCommand {
  static override enableJsonFlag = false;
  static override summary = 'Run a server: CAS, ActionCache, Execution and Bots, or any part of them.';

  static override description = `Without CONFIG everything runs in one process on loopback, port 50051, and keeps its data below the user's data directory. With CONFIG, a YAML file with BuildGrid's tags, it runs what the file says.

Once it serves it prints one line for each endpoint on stdout, "listening on grpc://ADDRESS:PORT"; all else goes to stderr. SIGTERM and Ctrl-C stop it gracefully: it takes no new calls, sends the waiting ones away and lets the others finish. A second one ends it at once.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --listen 127.0.0.1:0 --data-dir /tmp/bgd',
    '<%= config.bin %> <%= command.id %> controller.yml',
  ];

  static override args = {
    config: Args.string({ description: 'YAML file that says what to serve.' }),
  };

  static override flags = {
    ...loggerFlags,
    listen: Flags.string({
      summary: 'Listen here and nowhere else; port 0 is a free one.',
      helpValue: 'ADDRESS:PORT',
      env: 'BGD_LISTEN',
    }),
    'data-dir': dataDirFlag,
    instance: Flags.string({
      summary: 'Serve this instance name only (repeatable); by default all names share one store.',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ServerStart);
    const [{ loadServerConfig }, { parseListenAddress }, { runServer }] = await Promise.all([
      import('../../server/load-server-config.js'),
      import('../../server/listen-address.js'),
      import('../../server/run-server.js'),
    ]);
    const dataDir = resolve(flags['data-dir'] ?? this.config.dataDir);
    const config = await loadServerConfig({
      file: args.config ?? join(this.config.root, 'docs/examples/default.yml'),
      environment: { ...process.env, BGD_DATA_DIR: dataDir },
      instanceNames: flags.instance ?? [],
    });
    const logger = await createLogger(flags);
    const listen = flags.listen === undefined ? {} : { listen: parseListenAddress(flags.listen) };
    const onListening = (url: string): void => this.#announce(url, args.config, dataDir);
    await runServer({ config, logger, onListening, ...listen }, this.signal);
  }

  /** What comes next is known only where it is us who say what is served. */
  #announce(url: string, configFile: string | undefined, dataDir: string): void {
    this.log(`listening on ${url}`);
    if (configFile !== undefined) this.logToStderr(`serving on ${url}, as ${configFile} says`);
    else {
      const next = `next, start a worker: bgd bot host-tools --remote ${url}`;
      this.logToStderr(`serving on ${url}, keeping data in ${dataDir}\n${next}`);
    }
  }
}
