import { ClientCommand } from '../../cli/client-command.js';
import { operationArg } from '../../cli/operation-arg.js';

export default class OperationRequeue extends ClientCommand {
  static override summary = 'Take an operation away from its bot, and queue it again.';
  static override description =
    'For a bot that does not come to an end: it is told to stop, what it still reports does not count, and another one goes first. That is not counted as an attempt. An operation that is over or waits already is exit code 2. The server must be a bgd that allows admin calls.';

  static override examples = ['<%= config.bin %> <%= command.id %> $NAME'];
  static override args = { name: operationArg };

  async run(): Promise<{ readonly name: string }> {
    const { args, flags } = await this.parse(OperationRequeue);
    await using client = await this.connect(flags);

    await client.admin.requeue(args.name, this.signal);
    return { name: args.name };
  }
}
