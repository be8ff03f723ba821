import { ClientCommand } from '../../cli/client-command.js';
import { operationArg } from '../../cli/operation-arg.js';
import { presentOperationHistory } from '../../cli/present-operation-history.js';
import { operationHistoryOf, type OperationHistory } from '../../client/operation-history.js';

export default class OperationShow extends ClientCommand {
  static override summary = 'Show the whole history of an operation of a bgd server.';
  static override description =
    'Tells which bots had it and how that ended, its times and its place in the queue, and why it waits. The server must allow admin calls; operation status works with any server. An operation that is not known is exit code 3.';

  static override examples = [
    '<%= config.bin %> <%= command.id %> $NAME',
    '<%= config.bin %> <%= command.id %> --json $NAME',
  ];
  static override args = { name: operationArg };

  async run(): Promise<OperationHistory> {
    const { args, flags } = await this.parse(OperationShow);
    await using client = await this.connect(flags);

    const history = operationHistoryOf(await client.admin.operationDetails(args.name, this.signal));
    this.log(presentOperationHistory(history, process.stdout.columns));
    return history;
  }
}
