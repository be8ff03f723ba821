import { Args } from '@oclif/core';
import { CliFailure } from '../../cli/cli-failure.js';
import { ClientCommand } from '../../cli/client-command.js';
import { deliverOutcome, type ExecutionReport } from '../../cli/deliver-outcome.js';
import { actionSpecOf, executeFlags, missingOutputs } from '../../cli/execute-flags.js';
import { ExecutionExitCode } from '../../cli/execution-failure.js';
import { presentQueued } from '../../cli/present-queued.js';
import { presentUpload } from '../../cli/present-upload.js';
import { Progress } from '../../cli/progress.js';
import { QueueNotice } from '../../cli/queue-notice.js';
import { draftAction } from '../../client/action-draft.js';
import { executeAction } from '../../client/execute-action.js';
import type { StageName } from '../../client/operation-summary.js';

export default class ExecuteCommand extends ClientCommand {
  static override summary = 'Run a command on a worker, as if it ran here.';
  static override description = `Uploads INPUT_ROOT (nothing, if it is not given), has CMD executed in it, prints what CMD printed, downloads what --output-path names, and exits with CMD's exit code. Without "--" the first word is INPUT_ROOT, the others are CMD. A result that is in the cache is taken from there.

Other exit codes: 124 CMD ran longer than it may, 125 bgd or the server failed, 126 CMD is not executable, 127 CMD was not found, 128+n CMD was killed by signal n.`;

  static override usage = '<%= command.id %> [FLAGS] [INPUT_ROOT] -- CMD...';

  static override examples = [
    '<%= config.bin %> <%= command.id %> -- uname -a',
    '<%= config.bin %> <%= command.id %> --output-path hello . -- gcc hello.c -o hello',
    '<%= config.bin %> <%= command.id %> -p OSFamily=linux --timeout 60 --output-path report.xml . -- ./test.sh',
  ];

  static override args = {
    'input-root': Args.directory({ description: 'Directory that the command finds itself in.', exists: true }),
    cmd: Args.string({ description: 'Command with its arguments.' }),
  };

  static override strict = false;

  static override flags = executeFlags;

  async run(): Promise<ExecutionReport> {
    const { flags, inputRoot, argv } = await this.#parseWords();
    await using client = await this.connect(flags);
    using progress = new Progress();
    using notice = new QueueNotice((why) => progress.say(presentQueued(flags, flags['platform-property'], why)));

    const draft = await draftAction(actionSpecOf(flags, { argv, inputRoot }), this.signal);
    const onState = (stage: StageName, why: string | undefined): void => {
      progress.show(stage.toLowerCase());
      notice.see(stage, why);
    };
    const onUpload = progress.showing(presentUpload);
    const options = { skipCacheLookup: flags['no-cache'], onUpload, onState };
    const outcome = await executeAction(client, draft, options, this.signal);

    progress.clear();
    if (outcome.message) this.logToStderr(outcome.message);
    const target = flags['output-directory'];
    const delivery = { client, target, actionDigest: draft.digest, isCollected: this.jsonEnabled() };
    const report = await deliverOutcome(outcome, delivery, this.signal);
    const missing = missingOutputs(flags, report);
    if (missing.length > 0) this.logToStderr(`The command did not leave behind ${missing.join(', ')}`);
    process.exitCode = report.exitCode;
    return report;
  }

  /** What follows `--` is the command's own, flags or not. */
  async #parseWords() {
    const end = this.argv.includes('--') ? this.argv.indexOf('--') : this.argv.length;
    const rest = this.argv.slice(end + 1);
    const { args, argv, flags } = await this.parse(ExecuteCommand, this.argv.slice(0, end));
    const words = [...(argv as string[]).slice(1), ...rest];
    if (words.length > 0) return { flags, argv: words, inputRoot: args['input-root'] };
    throw CliFailure.ofUsage('There is no command: CMD is wanted, as in bgd execute command . -- make');
  }

  /** Scripts must be able to tell the command's failures from all others; wrong usage is neither. */
  protected override explain(reason: unknown): CliFailure {
    const failure = super.explain(reason);
    if (reason instanceof CliFailure || failure.code === 'USAGE') return failure;
    const { message, code, cause } = failure;
    return new CliFailure(message, { code, exitCode: ExecutionExitCode.Failed, cause });
  }

  protected override toErrorJson(reason: unknown): unknown {
    return { source: 'bgd', ...(super.toErrorJson(reason) as object) };
  }
}
