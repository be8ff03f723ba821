import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../cli/client-command.js';

export default class BotDrain extends ClientCommand {
  static override summary = 'Let a bot get no new work.';
  static override description =
    'What it works on it finishes. It stays drained when it or the server starts anew, until --undo. A bot that is neither connected nor drained is exit code 3. The server must be a bgd that allows admin calls.';

  static override examples = [
    '<%= config.bin %> <%= command.id %> $BOT_ID',
    '<%= config.bin %> <%= command.id %> --undo $BOT_ID',
  ];

  static override args = {
    bot: Args.string({ description: 'Id of the bot, as bgd bot list shows it.', required: true }),
  };
  static override flags = {
    undo: Flags.boolean({ env: 'BGD_UNDO', summary: 'Let it get work again.' }),
  };

  async run(): Promise<{ readonly botId: string; readonly drained: boolean }> {
    const { args, flags } = await this.parse(BotDrain);
    await using client = await this.connect(flags);

    await client.admin.drainBot(args.bot, !flags.undo, this.signal);
    return { botId: args.bot, drained: !flags.undo };
  }
}
