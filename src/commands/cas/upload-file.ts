import { Args } from '@oclif/core';
import { ClientCommand } from '../../cli/client-command.js';
import { presentUpload } from '../../cli/present-upload.js';
import { Progress } from '../../cli/progress.js';
import { uploadFiles } from '../../client/files.js';

interface UploadedFile {
  readonly path: string;
  readonly digest: string;
}

export default class CasUploadFile extends ClientCommand {
  static override summary = 'Upload files to the CAS and print their digests.';
  static override description =
    'Prints one digest a line, in the order of the files. Only what the server lacks is sent. Nothing is sent if one of the files cannot be read.';

  static override examples = [
    '<%= config.bin %> <%= command.id %> main.c util.c',
    'DIGEST=$(<%= config.bin %> <%= command.id %> --remote grpc://localhost:50051 main.c)',
  ];

  static override args = {
    file: Args.file({ description: 'File to upload.', required: true, multiple: true, exists: true }),
  };

  async run(): Promise<readonly UploadedFile[]> {
    const { args, flags } = await this.parse(CasUploadFile);
    await using client = await this.connect(flags);
    using progress = new Progress();

    const onProgress = progress.showing(presentUpload);
    const digests = await uploadFiles(client.blobs, args.file, { onProgress }, this.signal);

    progress.clear();
    for (const digest of digests) this.log(String(digest));
    return args.file.map((path, index) => ({ path, digest: String(digests[index]) }));
  }
}
