import { ClientCommand } from '../cli/client-command.js';
import { protoJson, type JsonValue } from '../client/proto-json.js';

export default class Capabilities extends ClientCommand {
  static override summary = 'Show what a server can do.';
  static override description =
    'Prints the ServerCapabilities of the instance as JSON: API versions, digest functions, batch limits, whether it executes.';

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --remote https://cache.example.com --instance-name main',
  ];

  async run(): Promise<JsonValue> {
    const { flags } = await this.parse(Capabilities);
    await using client = await this.connect(flags);
    const capabilities = protoJson(await client.capabilities.get(this.signal));
    this.log(JSON.stringify(capabilities, null, 2));
    return capabilities;
  }
}
