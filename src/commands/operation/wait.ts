import { ClientCommand } from '../../cli/client-command.js';
import { operationArg } from '../../cli/operation-arg.js';
import { presentOperation, presentState } from '../../cli/present-operation.js';
import { Progress } from '../../cli/progress.js';
import { summariseOperation, type OperationSummary } from '../../client/operation-summary.js';

export default class OperationWait extends ClientCommand {
  static override summary = 'Wait until an operation is done and show how it ended.';
  static override description = `Exits with 0 when the operation is done, however it ended; what its command printed and left behind is not fetched. Interrupting the wait does not stop the operation.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> $NAME',
    '<%= config.bin %> <%= command.id %> --json $NAME',
  ];
  static override args = { name: operationArg };

  async run(): Promise<OperationSummary | undefined> {
    const { args, flags } = await this.parse(OperationWait);
    await using client = await this.connect(flags);
    using progress = new Progress();

    let last: OperationSummary | undefined;
    for await (const operation of client.execution.wait(args.name, this.signal)) {
      last = summariseOperation(operation);
      progress.show(presentState(last));
    }
    progress.clear();
    if (last) this.log(presentOperation(last));
    return last;
  }
}
