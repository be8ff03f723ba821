import { dirname } from 'node:path';
import { stat } from 'node:fs/promises';
import type { BlobSource } from '../../blobstore/blob-source.js';
import type { BlobStore } from '../../blobstore/blob-store.js';
import { readInputMessage } from '../../blobstore/read-message.js';
import { uploadMissing } from '../../client/upload-missing.js';
import type { Clock } from '../../common/clock.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { Digest } from '../../digest/digest.js';
import type { DigestFunction } from '../../digest/digest-function.js';
import { digestFile } from '../../merkle/digest-file.js';
import { materialise } from '../../merkle/materialise.js';
import { reapi } from '../../proto/index.js';
import { millisecondsOf } from '../../proto/timestamp.js';
import type { ActionExecutor, ActionOutcome, ActionRequest } from '../action-executor.js';
import type { Attempt } from '../attempt.js';
import { runCommand, type CommandOutcome } from '../runner/run-command.js';
import type { WorkFolder } from '../work-folder.js';
import { collectOutputs } from './collect-outputs.js';
import { planCommand, type CommandPlan } from './command-plan.js';
import { ExecutionTimeline } from './execution-timeline.js';
import { makeFolderInside } from './folder-inside.js';

/** What a {@link HostToolsExecutor} works with. */
export interface HostToolsOptions {
  readonly blobs: BlobStore;
  readonly workFolder: WorkFolder;
  readonly clock: Clock;
  /** Names this worker in the results (EX-14). */
  readonly worker: string;
  /** For actions that set no timeout (EX-11). @defaultValue 2 h */
  readonly defaultTimeoutMs?: number;
  /** What is kept of each of stdout and stderr. @defaultValue 100 MiB */
  readonly maxOutputBytes?: number;
}

/** An action with all that was read to run it. */
interface Task {
  readonly plan: CommandPlan;
  readonly inputRoot: Digest;
  readonly timeoutMs: number;
  readonly digestFunction: DigestFunction;
}

/**
 * Executes actions with the tools of this machine: inputs are staged as plain files into a folder of their own, which is
 * gone when the action is done. There is no sandbox: an action can read and do what the user of the bot can.
 */
export class HostToolsExecutor implements ActionExecutor {
  readonly #options: Required<HostToolsOptions>;

  constructor(options: HostToolsOptions) {
    this.#options = { defaultTimeoutMs: 2 * 3_600_000, maxOutputBytes: 100 * 1024 * 1024, ...options };
  }

  async execute(request: ActionRequest, signal: AbortSignal): Promise<ActionOutcome> {
    const timeline = new ExecutionTimeline(this.#options.clock);
    timeline.mark('workerStart');
    const task = await this.#readTask(request, signal);
    await using attempt = await this.#options.workFolder.newAttempt();

    timeline.mark('inputFetchStart');
    await materialise(task.inputRoot, attempt.inputRoot, this.#options.blobs, signal);
    const cwd = await makeFolders(task.plan, attempt.inputRoot);
    timeline.mark('inputFetchCompleted');

    timeline.mark('executionStart');
    const outcome = await this.#run(task, attempt, cwd, signal);
    timeline.mark('executionCompleted');
    if (outcome.stoppedBy === 'cancel') throw StatusError.from(signal.reason);

    timeline.mark('outputUploadStart');
    const { result, fault } = await this.#upload(task, attempt, signal);
    timeline.mark('outputUploadCompleted');

    timeline.mark('workerCompleted');
    const executionMetadata = timeline.metadata(this.#options.worker);
    const finalFault = outcome.stoppedBy === 'timeout' ? timeoutError(task) : fault;
    return {
      result: { ...result, exitCode: outcome.exitCode, executionMetadata },
      ...(finalFault && { fault: finalFault }),
    };
  }

  async #readTask({ digest, action: given }: ActionRequest, signal: AbortSignal): Promise<Task> {
    const fn = digest.function;
    const { blobs, defaultTimeoutMs } = this.#options;
    const action = given ?? (await readInputMessage(blobs, { what: 'an Action', digest, type: reapi.Action }, signal));
    const commandDigest = Digest.fromProto(action.commandDigest, fn);
    const commandBlob = { what: 'a Command', digest: commandDigest, type: reapi.Command };
    const command = await readInputMessage(blobs, commandBlob, signal);
    const timeoutMs = millisecondsOf(action.timeout) ?? 0;
    return {
      plan: planCommand(command),
      inputRoot: Digest.fromProto(action.inputRootDigest, fn),
      // Zero counts as unset (EX-11).
      timeoutMs: timeoutMs > 0 ? timeoutMs : defaultTimeoutMs,
      digestFunction: fn,
    };
  }

  #run({ plan, timeoutMs }: Task, attempt: Attempt, cwd: string, signal: AbortSignal): Promise<CommandOutcome> {
    const { argv, env } = plan;
    const { stdoutFile, stderrFile } = attempt;
    const { maxOutputBytes } = this.#options;
    const onStart = (pid: number): void => attempt.recordProcess(pid);
    return runCommand({ argv, env, cwd, timeoutMs, stdoutFile, stderrFile, maxOutputBytes, onStart }, signal);
  }

  /** Everything is in the CAS before the result is told (CMD-12), after a timeout too. */
  async #upload(
    { plan, digestFunction }: Task,
    { inputRoot, stdoutFile, stderrFile }: Attempt,
    signal: AbortSignal,
  ): Promise<ActionOutcome> {
    const { result, sources, fault } = await collectOutputs(plan, { inputRoot, digestFunction }, signal);
    const stdout = await printed(stdoutFile, digestFunction);
    const stderr = await printed(stderrFile, digestFunction);
    await uploadMissing(this.#options.blobs, [...sources, ...stdout, ...stderr], {}, signal);
    return {
      result: {
        ...result,
        stdoutDigest: stdout[0]?.digest.toProto() ?? null,
        stderrDigest: stderr[0]?.digest.toProto() ?? null,
      },
      ...(fault && { fault }),
    };
  }
}

/** What was printed to `path`; nothing for no output, whose digest stays unset (CMD-12). */
async function printed(path: string, fn: DigestFunction): Promise<readonly BlobSource[]> {
  if ((await stat(path)).size === 0) return [];
  const { digest } = await digestFile(path, fn);
  return [{ digest, path }];
}

/** Makes the working directory and the parents of outputs, not the outputs themselves (CMD-4, CMD-5). */
async function makeFolders({ workingDirectory, outputs }: CommandPlan, inputRoot: string): Promise<string> {
  const cwd = await makeFolderInside(inputRoot, workingDirectory, 'Working directory');
  for (const parent of new Set(outputs.map(({ location }) => dirname(location)))) {
    if (parent !== '.') await makeFolderInside(inputRoot, parent, 'Parent of an output');
  }
  return cwd;
}

function timeoutError({ timeoutMs }: Task): StatusError {
  const text = `Action ran longer than its timeout of ${timeoutMs / 1000} s and was stopped`;
  return new StatusError(Code.DeadlineExceeded, text);
}
