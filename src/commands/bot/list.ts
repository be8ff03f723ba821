import { ClientCommand } from '../../cli/client-command.js';
import { collectPages, pageFlags, tellMore } from '../../cli/page-flags.js';
import { pairFlag } from '../../cli/pair-flag.js';
import { presentBots } from '../../cli/present-bots.js';
import { summariseBot, type BotSummary } from '../../client/bot-summary.js';

export default class BotList extends ClientCommand {
  static override summary = 'List the bots of an instance of a bgd server.';
  static override description =
    'Shows the bots that are connected, and those that are drained: whether they take work, what they work on and since when, in which time they must report, and what they offer. The server must allow admin calls.';

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> -p OSFamily=linux -p pool=gpu',
    '<%= config.bin %> <%= command.id %> --json --instance-name main',
  ];

  static override flags = {
    'platform-property': pairFlag({
      multiple: true,
      multipleNonGreedy: true,
      char: 'p',
      helpValue: 'KEY=VALUE',
      summary: 'Only bots that could take an action that asks for it; repeatable.',
    }),
    ...pageFlags,
  };

  async run(): Promise<readonly BotSummary[]> {
    const { flags } = await this.parse(BotList);
    const properties = (flags['platform-property'] ?? []).map(([name, value]) => ({ name, value }));
    await using client = await this.connect(flags);

    const page = await collectPages(flags, async (request) => {
      const { bots, asOf, nextPageToken } = await client.admin.listBots({ ...request, properties }, this.signal);
      return { items: bots.map((bot) => summariseBot(bot, asOf)), nextPageToken };
    });
    if (page.items.length > 0) this.log(presentBots(page.items, process.stdout.columns));
    else this.logToStderr('There are no such bots.');
    tellMore(page);
    return page.items;
  }
}
