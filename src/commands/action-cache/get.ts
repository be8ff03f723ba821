import { digestArg } from '../../cli/digest-arg.js';
import { CliFailure } from '../../cli/cli-failure.js';
import { ClientCommand } from '../../cli/client-command.js';
import { ExitCode } from '../../cli/exit-code.js';
import { presentActionResult } from '../../cli/present-action-result.js';
import { protoJson, type JsonValue } from '../../client/proto-json.js';

export default class ActionCacheGet extends ClientCommand {
  static override summary = 'Show the cached result of an action.';
  static override description =
    'Prints exit code, outputs and history of the result, or with --json the ActionResult as protobuf JSON. A miss is exit code 3.';

  static override examples = [
    '<%= config.bin %> <%= command.id %> $ACTION_DIGEST',
    '<%= config.bin %> <%= command.id %> --json $ACTION_DIGEST',
  ];

  static override args = {
    action: digestArg({ description: 'Digest of the Action, HASH/SIZE.', required: true }),
  };

  async run(): Promise<JsonValue> {
    const { args, flags } = await this.parse(ActionCacheGet);
    await using client = await this.connect(flags);

    const result = await client.actionCache.get(args.action, this.signal);
    if (!result) {
      const message = `No result is cached for action ${String(args.action)}`;
      throw new CliFailure(message, { code: 'NOT_FOUND', exitCode: ExitCode.NotFound });
    }
    this.log(presentActionResult(result, args.action.function));
    return protoJson(result);
  }
}
