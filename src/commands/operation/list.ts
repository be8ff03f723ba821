import { Flags } from '@oclif/core';
import { ClientCommand } from '../../cli/client-command.js';
import { collectPages, pageFlags, tellMore } from '../../cli/page-flags.js';
import { presentOperations } from '../../cli/present-operation.js';
import { summariseOperation, type OperationSummary } from '../../client/operation-summary.js';

export default class OperationList extends ClientCommand {
  static override summary = 'List the operations of an instance.';
  static override description = `Shows the operations that the server still knows, oldest first: queued, executing, and those that ended not long ago. Columns that do not fit the terminal are left out; --json has all.

A filter is KEY OPERATOR VALUE, several of them joined by &. Keys of a bgd server are stage (QUEUED, EXECUTING, COMPLETED), queued_time, action_digest, tool_invocation_id, correlated_invocations_id, action_mnemonic and target_id; operators are = and !=, and for the first two also <, <=, > and >=.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> --filter 'stage=EXECUTING & queued_time<2026-01-31T12:00:00Z'",
    '<%= config.bin %> <%= command.id %> --json --instance-name main --limit 100',
  ];

  static override flags = {
    filter: Flags.string({
      env: 'BGD_FILTER',
      helpValue: 'FILTER',
      default: '',
      summary: 'Only operations that meet it.',
    }),
    ...pageFlags,
  };

  async run(): Promise<readonly OperationSummary[]> {
    const { flags } = await this.parse(OperationList);
    await using client = await this.connect(flags);

    const page = await collectPages(flags, async (request) => {
      const { operations, nextPageToken } = await client.operations.page(
        { ...request, filter: flags.filter },
        this.signal,
      );
      return { items: operations.map(summariseOperation), nextPageToken };
    });
    const now = Date.now();
    if (page.items.length > 0) this.log(presentOperations(page.items, { now, width: process.stdout.columns }));
    else this.logToStderr('There are no operations.');
    tellMore(page);
    return page.items;
  }
}
