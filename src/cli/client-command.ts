import { Client } from '../client/client.js';
import { Code, codeName } from '../common/code.js';
import { BaseCommand } from './base-command.js';
import { CliFailure } from './cli-failure.js';
import { clientOptionsOf, instanceFlags, remoteFlags, warningOf, type ConnectionFlags } from './connection-flags.js';

/** A command that talks to a server. */
export abstract class ClientCommand extends BaseCommand {
  static override baseFlags = { ...remoteFlags, ...instanceFlags };

  /** Returns a client for what the connection flags say; the caller disposes of it. Connects at its first call. */
  protected async connect(flags: ConnectionFlags): Promise<Client> {
    const options = await clientOptionsOf(flags);
    const warning = warningOf(options);
    if (warning !== undefined) this.logToStderr(`Warning: ${warning}`);
    return Client.connect(options);
  }

  protected override explain(reason: unknown): CliFailure {
    const failure = super.explain(reason);
    if (failure.code !== codeName(Code.Unavailable)) return failure;
    const { code, exitCode, cause } = failure;
    return new CliFailure(`${failure.message} (another server: --remote URL)`, { code, exitCode, cause });
  }
}
