import { Flags } from '@oclif/core';
import { BotCommand, botFlags } from '../../cli/bot-command.js';
import { clientOptionsOf, remoteFlags, warningOf } from '../../cli/connection-flags.js';
import { createLogger } from '../../cli/create-logger.js';
import { secondsFlag } from '../../cli/seconds-flag.js';

export default class BotDummy extends BotCommand {
  static override summary = 'Run a worker that executes nothing, to try a scheduler out.';

  static override description = `Takes actions as any worker does, and reports each as done without looking at it: no output, and the exit code that is given. What it reports with exit code 0 is cached as any other result is: use it only with a server that nobody builds with.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --concurrency 100',
    '<%= config.bin %> <%= command.id %> --exit-code 1 --seconds 0.5 -w pool=slow',
  ];

  static override baseFlags = remoteFlags;

  static override flags = {
    ...botFlags,
    'exit-code': Flags.integer({
      summary: 'How every command ends.',
      helpValue: 'CODE',
      min: 0,
      max: 255,
      default: 0,
      env: 'BGD_EXIT_CODE',
    }),
    seconds: secondsFlag({ summary: 'How long every command takes; by default no time at all.', env: 'BGD_SECONDS' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BotDummy);
    const [{ runDummyBot }, { parseWorkerProperty }] = await Promise.all([
      import('../../bot/run-dummy-bot.js'),
      import('../../bot/worker-properties.js'),
    ]);
    const client = { ...(await clientOptionsOf(flags)), instanceName: flags.parent };
    const logger = await createLogger(flags);
    const warning = warningOf(client);
    if (warning !== undefined) logger.warn({}, warning);
    const options = {
      client,
      concurrency: flags.concurrency,
      properties: (flags['worker-property'] ?? []).map(parseWorkerProperty),
      exitCode: flags['exit-code'],
      durationMs: flags.seconds ?? 0,
      onConnected: () => this.sayConnected(flags),
    };
    await runDummyBot(options, logger, { drain: this.draining, cancel: this.signal });
  }
}
