import { ClientCommand } from '../../cli/client-command.js';
import { operationArg } from '../../cli/operation-arg.js';

export default class OperationCancel extends ClientCommand {
  static override summary = 'Cancel an operation.';
  static override description =
    'The operation ends as CANCELLED, its command is stopped when nobody else waits for it. One that has ended stays as it is.';

  static override examples = ['<%= config.bin %> <%= command.id %> $NAME'];
  static override args = { name: operationArg };

  async run(): Promise<{ readonly name: string }> {
    const { args, flags } = await this.parse(OperationCancel);
    await using client = await this.connect(flags);

    await client.operations.cancel(args.name, this.signal);
    return { name: args.name };
  }
}
