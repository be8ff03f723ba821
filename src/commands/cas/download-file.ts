import { Args } from '@oclif/core';
import { CliFailure } from '../../cli/cli-failure.js';
import { ClientCommand } from '../../cli/client-command.js';
import { downloadFile } from '../../client/download-file.js';
import { Digest } from '../../digest/digest.js';

interface DownloadedFile {
  readonly path: string;
  readonly digest: string;
}

export default class CasDownloadFile extends ClientCommand {
  static override summary = 'Download blobs from the CAS into files.';
  static override description =
    'Every blob is verified. A file appears whole or not at all; one that is there is replaced, a directory never.';

  static override usage =
    '<%= command.id %> DIGEST PATH [DIGEST PATH...] [--json] [--remote URL] [--instance-name NAME]';

  static override examples = [
    '<%= config.bin %> <%= command.id %> $DIGEST main.o',
    '<%= config.bin %> <%= command.id %> $DIGEST1 main.o $DIGEST2 util.o',
  ];

  static override args = {
    pair: Args.string({
      description: 'Digest (HASH/SIZE) of a blob, then the file it goes to; any number of such pairs.',
      required: true,
      multiple: true,
    }),
  };

  async run(): Promise<readonly DownloadedFile[]> {
    const { args, flags } = await this.parse(CasDownloadFile);
    const files = pairsOf(args.pair);
    await using client = await this.connect(flags);

    for (const file of files) await downloadFile(client.blobs, file, this.signal);
    return files.map(({ path, digest }) => ({ path, digest: String(digest) }));
  }
}

function pairsOf(words: readonly string[]): readonly { readonly digest: Digest; readonly path: string }[] {
  if (words.length % 2 !== 0) {
    throw CliFailure.ofUsage(`${words.at(-1) ?? ''} has no PATH: pairs of DIGEST and PATH are wanted`);
  }
  const pairs = words
    .map((path, index) => ({ path, text: words[index - 1] ?? '' }))
    .filter((_, index) => index % 2 === 1);
  return pairs.map(({ path, text }) => ({ path, digest: Digest.parse(text) }));
}
