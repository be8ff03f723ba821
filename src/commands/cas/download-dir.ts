import { Args } from '@oclif/core';
import { ClientCommand } from '../../cli/client-command.js';
import { digestArg } from '../../cli/digest-arg.js';
import { downloadFolder } from '../../client/files.js';

export default class CasDownloadDir extends ClientCommand {
  static override summary = 'Download a directory from the CAS.';
  static override description =
    'Every blob is verified. DIRECTORY must not exist, or be empty; nothing is left there if the download fails.';

  static override examples = ['<%= config.bin %> <%= command.id %> $DIGEST out'];

  static override args = {
    digest: digestArg({ description: 'Digest of the root Directory, HASH/SIZE.', required: true }),
    directory: Args.directory({ description: 'Where it goes: a new or an empty directory.', required: true }),
  };

  async run(): Promise<{ readonly path: string; readonly digest: string }> {
    const { args, flags } = await this.parse(CasDownloadDir);
    await using client = await this.connect(flags);

    await downloadFolder(client.blobs, args.digest, args.directory, this.signal);
    return { path: args.directory, digest: String(args.digest) };
  }
}
