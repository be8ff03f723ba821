import { CliFailure } from '../../cli/cli-failure.js';
import { ClientCommand } from '../../cli/client-command.js';
import { digestArg } from '../../cli/digest-arg.js';
import { ExitCode } from '../../cli/exit-code.js';

interface DeletedResult {
  readonly action: string;
}

export default class ActionCacheDelete extends ClientCommand {
  static override summary = 'Have a bgd server forget the results of actions.';
  static override description =
    'The actions are executed anew when somebody asks for them next. Where one of them has no result that is exit code 3; the others are forgotten all the same. The server must allow admin calls.';

  static override examples = ['<%= config.bin %> <%= command.id %> $ACTION_DIGEST'];

  static override args = {
    action: digestArg({ description: 'Digest of the Action, HASH/SIZE (repeatable).', required: true, multiple: true }),
  };

  async run(): Promise<readonly DeletedResult[]> {
    const { args, flags } = await this.parse(ActionCacheDelete);
    await using client = await this.connect(flags);

    const absent: string[] = [];
    for (const action of args.action) {
      if (!(await client.admin.deleteActionResult(action, this.signal))) absent.push(String(action));
    }
    if (absent.length > 0) {
      const message = `No result is cached for ${absent.length === 1 ? 'action' : 'the actions'} ${absent.join(', ')}`;
      throw new CliFailure(message, { code: 'NOT_FOUND', exitCode: ExitCode.NotFound });
    }
    return args.action.map((action) => ({ action: String(action) }));
  }
}
