import { Flags } from '@oclif/core';
import { BaseCommand, type StopSignal } from './base-command.js';
import { loggerFlags } from './logger-flags.js';

/** What every kind of bot is told. */
export const botFlags = {
  ...loggerFlags,
  parent: Flags.string({
    summary: 'Instance of the server to work for.',
    helpValue: 'INSTANCE',
    default: '',
    env: 'BGD_PARENT',
  }),
  concurrency: Flags.integer({
    summary: 'How many actions to execute side by side.',
    helpValue: 'N',
    min: 1,
    max: 1000,
    default: 1,
    env: 'BGD_CONCURRENCY',
  }),
  'worker-property': Flags.string({
    char: 'w',
    summary: 'Something that actions may ask for (repeatable); OSFamily and ISA are found out.',
    helpValue: 'KEY=VALUE',
    multiple: true,
    multipleNonGreedy: true,
  }),
};

/** A bot: SIGTERM lets it finish what it works on, a second one or Ctrl-C stops the work. */
export abstract class BotCommand extends BaseCommand {
  static override enableJsonFlag = false;

  readonly #draining = new AbortController();

  /** Aborts when the bot should take nothing more. */
  protected get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** Tells on stderr that all sessions are there. */
  protected sayConnected({ remote, concurrency }: { readonly remote: string; readonly concurrency: number }): void {
    const slots = concurrency === 1 ? '1 slot' : `${concurrency} slots`;
    this.logToStderr(`connected to ${remote}, ${slots}`);
  }

  protected override onStopSignal(name: StopSignal): void {
    const isFirst = !this.#draining.signal.aborted;
    this.#draining.abort();
    if (name === 'SIGTERM' && isFirst) return;
    super.onStopSignal(name);
  }
}
