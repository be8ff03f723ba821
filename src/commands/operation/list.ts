import { ClientCommand } from '../../cli/client-command.js';
import { presentOperations } from '../../cli/present-operation.js';
import { summariseOperation, type OperationSummary } from '../../client/operation-summary.js';

export default class OperationList extends ClientCommand {
  static override summary = 'List the operations of an instance.';
  static override description =
    'Shows the operations that the server still knows: queued, executing, and those that ended not long ago.';

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json --instance-name main',
  ];

  async run(): Promise<readonly OperationSummary[]> {
    const { flags } = await this.parse(OperationList);
    await using client = await this.connect(flags);

    const operations: OperationSummary[] = [];
    for await (const operation of client.operations.list({}, this.signal))
      operations.push(summariseOperation(operation));
    if (operations.length > 0) this.log(presentOperations(operations, process.stdout.columns));
    else this.logToStderr('There are no operations.');
    return operations;
  }
}
