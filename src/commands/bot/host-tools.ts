import { join, resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { BotCommand, botFlags } from '../../cli/bot-command.js';
import { clientOptionsOf, remoteCasFlags, remoteFlags, warningOf } from '../../cli/connection-flags.js';
import { createLogger } from '../../cli/create-logger.js';

export default class BotHostTools extends BotCommand {
  static override summary = 'Run a worker that executes actions with the tools of this machine.';

  static override description = `Each action gets a folder of its own below the work folder, with its inputs as plain files, and exactly the environment of its Command. There is no sandbox: an action can read and do what the user of the bot can.

A server that is not there yet is waited for. SIGTERM lets the bot finish and report what it works on, without taking more; Ctrl-C, or a second SIGTERM, stops the work and gives it back to the server.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --remote grpc://build.example.com:50051 --concurrency 8',
    '<%= config.bin %> <%= command.id %> --parent main --remote-cas grpc://cas.example.com -w gpu=none',
  ];

  static override baseFlags = { ...remoteFlags, ...remoteCasFlags };

  static override flags = {
    ...botFlags,
    'work-dir': Flags.string({
      summary: "Folder for actions at work, one bot each; by default below the user's cache directory.",
      helpValue: 'DIR',
      env: 'BGD_WORK_DIR',
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BotHostTools);
    const [{ runBot }, { parseWorkerProperty }] = await Promise.all([
      import('../../bot/run-bot.js'),
      import('../../bot/worker-properties.js'),
    ]);
    const client = { ...(await clientOptionsOf(flags)), instanceName: flags.parent };
    const logger = await createLogger(flags);
    const warning = warningOf(client);
    if (warning !== undefined) logger.warn({}, warning);
    const options = {
      client,
      concurrency: flags.concurrency,
      workFolder: resolve(flags['work-dir'] ?? join(this.config.cacheDir, 'bot')),
      properties: (flags['worker-property'] ?? []).map(parseWorkerProperty),
      onConnected: () => this.sayConnected(flags),
    };
    await runBot(options, logger, { drain: this.draining, cancel: this.signal });
  }
}
