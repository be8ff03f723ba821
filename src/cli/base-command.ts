import { setMaxListeners } from 'node:events';
import { Command, type Interfaces } from '@oclif/core';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { CliFailure } from './cli-failure.js';
import { ExitCode } from './exit-code.js';
import { usageFailure } from './usage-failure.js';

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/** The signals that ask a process to end. */
export type StopSignal = (typeof stopSignals)[number];

/**
 * What all commands share: {@link signal}, exit codes, and errors in one line (`main` prints them, so that oclif's own
 * get the same treatment). A command that returns after it was asked to stop has stopped well and exits with 0.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  readonly #stopping = new AbortController();
  #stoppedBy: StopSignal | undefined;

  /** Aborts when the command should end. Pass it to everything that waits. */
  protected get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /**
   * Meets SIGINT and SIGTERM, each time one arrives: the first stops the command, a further one ends the process at
   * once. A command that wants to drain first overrides this and calls {@link stop} when it is time.
   */
  protected onStopSignal(name: StopSignal): void {
    if (this.signal.aborted) process.exit(exitCodeOfSignal(name));
    this.stop(name);
  }

  /** Aborts {@link signal}. If the command then fails, it exits as ended by `name`. */
  protected stop(name: StopSignal): void {
    this.#stoppedBy ??= name;
    this.#stopping.abort(new StatusError(Code.Cancelled, name === 'SIGINT' ? 'Interrupted' : 'Terminated'));
  }

  /** Explains a failure to the user. A command that knows a better next step, or other exit codes, overrides this. */
  protected explain(reason: unknown): CliFailure {
    return CliFailure.from(reason);
  }

  protected override async init(): Promise<void> {
    await super.init();
    // Each of many transfers at a time listens to it.
    setMaxListeners(0, this.signal);
    // oclif would take what comes on stdin for an argument that is not given.
    for (const arg of Object.values(this.ctor.args)) arg.ignoreStdin = true;
    for (const name of stopSignals) process.on(name, this.#receive);
  }

  /** Whatever is wrong with the words of the command line is a fault of usage. */
  protected override async parse<
    Flags extends Interfaces.OutputFlags<typeof Command.flags>,
    BaseFlags extends Interfaces.OutputFlags<typeof Command.flags>,
    Args extends Interfaces.OutputArgs<typeof Command.args>,
  >(
    input?: Interfaces.Input<Flags, BaseFlags, Args>,
    argv?: string[],
  ): Promise<Interfaces.ParserOutput<Flags, BaseFlags, Args>> {
    try {
      return await super.parse(input, argv);
    } catch (reason) {
      throw usageFailure(reason, {
        command: `bgd ${this.ctor.id.replaceAll(':', ' ')}`,
        argv: argv ?? this.argv,
        flags: { ...this.ctor.baseFlags, ...this.ctor.flags },
        isOpen: !this.ctor.strict,
      });
    }
  }

  protected override async catch(reason: unknown): Promise<never> {
    const failure = this.#stoppedBy === undefined ? this.explain(reason) : this.#stopFailure(this.#stoppedBy, reason);
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(failure));
    throw failure;
  }

  protected override async finally(reason: Error | undefined): Promise<void> {
    for (const name of stopSignals) process.off(name, this.#receive);
    await super.finally(reason);
  }

  /** What `--json` prints of a failure. */
  protected override toErrorJson(reason: unknown): unknown {
    return CliFailure.from(reason).toJSON();
  }

  readonly #receive = (name: NodeJS.Signals): void => {
    const known = stopSignals.find((candidate) => candidate === name);
    if (known) this.onStopSignal(known);
  };

  #stopFailure(name: StopSignal, reason: unknown): CliFailure {
    const message = name === 'SIGINT' ? 'Interrupted' : 'Terminated';
    return new CliFailure(message, { code: 'CANCELLED', exitCode: exitCodeOfSignal(name), cause: reason });
  }
}

function exitCodeOfSignal(name: StopSignal): number {
  return name === 'SIGINT' ? ExitCode.Interrupted : ExitCode.Terminated;
}
