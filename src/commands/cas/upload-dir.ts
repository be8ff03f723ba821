import { Args } from '@oclif/core';
import { ClientCommand } from '../../cli/client-command.js';
import { presentUpload } from '../../cli/present-upload.js';
import { Progress } from '../../cli/progress.js';
import { uploadFolder } from '../../client/files.js';

export default class CasUploadDir extends ClientCommand {
  static override summary = 'Upload a directory to the CAS and print the digest of its root.';
  static override description =
    'Prints the digest of the root Directory alone. Symbolic links are stored as they are; a socket, fifo or device is an error. Only what the server lacks is sent.';

  static override examples = [
    '<%= config.bin %> <%= command.id %> src',
    'DIGEST=$(<%= config.bin %> <%= command.id %> --remote grpc://localhost:50051 .)',
  ];

  static override args = {
    directory: Args.directory({ description: 'Directory to upload.', required: true, exists: true }),
  };

  async run(): Promise<{ readonly path: string; readonly digest: string }> {
    const { args, flags } = await this.parse(CasUploadDir);
    await using client = await this.connect(flags);
    using progress = new Progress();

    const onProgress = progress.showing(presentUpload);
    const digest = await uploadFolder(client.blobs, args.directory, { onProgress }, this.signal);

    progress.clear();
    this.log(String(digest));
    return { path: args.directory, digest: String(digest) };
  }
}
