import { ClientCommand } from '../../cli/client-command.js';
import { operationArg } from '../../cli/operation-arg.js';
import { presentOperation } from '../../cli/present-operation.js';
import { summariseOperation, type OperationSummary } from '../../client/operation-summary.js';

export default class OperationStatus extends ClientCommand {
  static override summary = 'Show how an operation stands.';
  static override description =
    'Exits with 0 whatever the state; an operation that the server does not know is exit code 3.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> $NAME',
    '<%= config.bin %> <%= command.id %> --json $NAME',
  ];
  static override args = { name: operationArg };

  async run(): Promise<OperationSummary> {
    const { args, flags } = await this.parse(OperationStatus);
    await using client = await this.connect(flags);

    const operation = summariseOperation(await client.operations.get(args.name, this.signal));
    this.log(presentOperation(operation));
    return operation;
  }
}
