import { ClientCommand } from '../../cli/client-command.js';
import { presentCasStats } from '../../cli/present-cas-stats.js';
import { protoJson, type JsonValue } from '../../client/proto-json.js';

export default class CasStats extends ClientCommand {
  static override summary = 'Show how much the CAS of a bgd server holds.';
  static override description =
    'Prints a line for each store that it is made of: blobs, bytes, limit, and what else the store knows of itself. The server must allow admin calls.';

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<JsonValue> {
    const { flags } = await this.parse(CasStats);
    await using client = await this.connect(flags);

    const stats = await client.admin.casStats(this.signal);
    this.log(presentCasStats(stats, process.stdout.columns));
    return protoJson(stats);
  }
}
