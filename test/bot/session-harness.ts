import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ActionExecutor, ActionOutcome } from '../../src/bot/action-executor.js';
import { BotSessionLoop } from '../../src/bot/bot-session-loop.js';
import { silentLogger } from '../../src/common/logger.js';
import { Digest } from '../../src/digest/digest.js';
import { packAny } from '../../src/proto/any.js';
import { reapi, rwapi } from '../../src/proto/index.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { FakeBots, type PendingCall } from './fake-bots.js';

/** An action at work until the test ends it. */
export interface Work {
  readonly digest: Digest;
  readonly signal: AbortSignal;
  finish(outcome?: ActionOutcome): void;
  fail(reason: Error): void;
}

class FakeExecutor implements ActionExecutor {
  readonly works: Work[] = [];

  execute({ digest }: { readonly digest: Digest }, signal: AbortSignal): Promise<ActionOutcome> {
    return new Promise((resolve, reject) => {
      const finish: Work['finish'] = (outcome = { result: { exitCode: 7 } }) => resolve(outcome);
      this.works.push({ digest, signal, finish, fail: reject });
    });
  }
}

/** A running BotSessionLoop, and the world around it in the hands of the test. */
export class SessionHarness {
  readonly bots = new FakeBots();
  readonly clock = new FakeClock();
  readonly drain = new AbortController();
  readonly cancel = new AbortController();
  readonly running: Promise<void>;
  connections = 0;
  readonly #executor = new FakeExecutor();
  #isOver = false;

  constructor() {
    const loop = new BotSessionLoop({
      bots: this.bots,
      executor: this.#executor,
      clock: this.clock,
      logger: silentLogger,
      parent: 'main',
      botId: 'bot/1',
      worker: { devices: [{ handle: 'machine' }] },
      onConnected: () => (this.connections += 1),
      random: () => 1,
    });
    this.running = loop.run({ drain: this.drain.signal, cancel: this.cancel.signal });
    const over = (): void => void (this.#isOver = true);
    void this.running.then(over, over);
  }

  get works(): readonly Work[] {
    return this.#executor.works;
  }

  /** Answers the creation of the session with `leases` and returns the call that follows. */
  async connect(...leases: rwapi.Lease.$Properties[]): Promise<PendingCall> {
    (await this.bots.next()).answer(...leases);
    return await this.bots.next();
  }

  /** Resolves when the loop waits for time to pass. */
  async untilAsleep(): Promise<void> {
    while (this.clock.sleepers === 0) await nextTurn();
  }

  /** The same for a loop that may end before. */
  async untilAsleepOrOver(): Promise<void> {
    while (this.clock.sleepers === 0 && !this.#isOver) await nextTurn();
  }

  /** Resolves when so many actions have been started. */
  async untilWorking(count = 1): Promise<Work> {
    while (this.works.length < count) await nextTurn();
    return this.works[count - 1]!;
  }

  /** Ends whatever still goes on. */
  async end(): Promise<void> {
    this.cancel.abort();
    for (let round = 0; round < 20 && !this.#isOver; round += 1) {
      for (const work of this.works) work.fail(new Error('The test is over'));
      this.clock.advance(60_000);
      await nextTurn();
    }
  }
}

/** A lease for the action whose bytes are `text`, which is its id too. */
export function lease(text: string, state: rwapi.LeaseState = rwapi.LeaseState.PENDING): rwapi.Lease.$Properties {
  const digest = Digest.of(Buffer.from(text)).toProto();
  return { id: text, state, payload: packAny('build.bazel.remote.execution.v2.Digest', reapi.Digest, digest) };
}

/** The leases that a call reports, such as `a ACTIVE`. */
export function statesOf({ session }: PendingCall): string[] {
  return (session.leases ?? []).map(({ id, state }) => `${id ?? ''} ${rwapi.LeaseState[state ?? 0] ?? ''}`);
}
