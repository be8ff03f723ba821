import { digestArg } from '../../cli/digest-arg.js';
import { ClientCommand } from '../../cli/client-command.js';
import { readActionResult } from '../../client/action-result.js';

export default class ActionCacheUpdate extends ClientCommand {
  static override summary = 'Store the result of an action in the cache.';
  static override description =
    'The result is an ActionResult message that is in the CAS already, as is everything that it names. The server must allow updates.';

  static override examples = ['<%= config.bin %> <%= command.id %> $ACTION_DIGEST $RESULT_DIGEST'];

  static override args = {
    action: digestArg({ description: 'Digest of the Action, HASH/SIZE.', required: true }),
    result: digestArg({ description: 'Digest of the ActionResult message, HASH/SIZE.', required: true }),
  };

  async run(): Promise<{ readonly action: string; readonly result: string }> {
    const { args, flags } = await this.parse(ActionCacheUpdate);
    await using client = await this.connect(flags);

    const result = await readActionResult(client.blobs, args.result, this.signal);
    await client.actionCache.update(args.action, result, this.signal);
    return { action: String(args.action), result: String(args.result) };
  }
}
