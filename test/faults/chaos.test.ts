import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../../src/client/client.js';
import { draftAction, type ActionDraft } from '../../src/client/action-draft.js';
import { executeAction, type ExecutionOutcome } from '../../src/client/execute-action.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Digest } from '../../src/digest/digest.js';
import { BgdProcess } from '../helpers/bgd-process.js';
import { Dice, tellSeed, times } from '../helpers/chance.js';
import { Cluster, type Controller } from '../helpers/cluster.js';
import { PostgresServer } from '../helpers/postgres.js';
import { TcpSwitch } from '../helpers/tcp-switch.js';

const controllerCount = 2;
const botCount = 5;
const clientCount = 40;
const actionCount = times(300, 3_000);

/** Actions come so slowly that they last for as long as things are killed. */
const killingMs = times(30_000, 560_000);

/** Nothing hangs: what was begun is over so long after the last kill. */
const healingMs = 120_000;

/** What a command prints, by which its result is known. */
const textOf = (index: number): string => `action ${index}\n`;

describe('Two controllers, PostgreSQL and five bots, any of which is killed at any moment', function () {
  this.timeout(killingMs + healingMs + 120_000);

  tellSeed();

  it('give every action one result, and the ActionCache no wrong one (D6, D7, EX-16)', async () => {
    const dice = new Dice('chaos');
    await using lifecycle = new Lifecycle();
    const postgres = lifecycle.use(await PostgresServer.start([]));
    const chaos = lifecycle.use(await Chaos.create(postgres));
    const outcomes = new Map<number, ExecutionOutcome[]>();

    const work = chaos.execute(dice, outcomes);
    const kills = await chaos.strike(dice, Date.now() + killingMs);
    await within(healingMs, work, () => `${outcomes.size} of ${actionCount} actions have a result`);

    for (let index = 0; index < actionCount; index += 1) {
      const [outcome, ...others] = outcomes.get(index) ?? [];
      assert.ok(outcome && others.length === 0, `Action ${index} has ${others.length + (outcome ? 1 : 0)} results`);
      assert.equal(outcome.failure, undefined, `Action ${index}: ${outcome.failure?.message}`);
      assert.equal(stdoutOf(outcome), textOf(index));
    }
    await chaos.checkStore();
    process.stdout.write(`      ${actionCount} actions, the slowest took ${chaos.slowestMs} ms; killed: ${kills}\n`);
  });
});

function stdoutOf({ result }: ExecutionOutcome): string {
  return String(Buffer.from(result?.stdoutRaw ?? []));
}

async function within(ms: number, doing: Promise<void>, state: () => string): Promise<void> {
  const over = new AbortController();
  const late = delay(ms, undefined, over).then(() => assert.fail(`It hangs: ${state()}`));
  late.catch(() => undefined);
  await Promise.race([doing, late]);
  over.abort();
}

/** All that can be killed. */
class Chaos implements AsyncDisposable {
  readonly #lifecycle: Lifecycle;
  readonly #postgres: PostgresServer;
  readonly #cluster: Cluster;
  readonly #line: TcpSwitch;
  readonly #controllers: Controller[];
  readonly #bots: BgdProcess[] = [];
  /** How long an action took at the most. */
  slowestMs = 0;
  #actions: readonly ActionDraft[] = [];

  private constructor(
    lifecycle: Lifecycle,
    parts: { postgres: PostgresServer; cluster: Cluster; line: TcpSwitch; controllers: Controller[] },
  ) {
    this.#lifecycle = lifecycle;
    ({ postgres: this.#postgres, cluster: this.#cluster, line: this.#line, controllers: this.#controllers } = parts);
    for (let index = 0; index < botCount; index += 1) this.#startBot(index);
  }

  static async create(postgres: PostgresServer): Promise<Chaos> {
    const lifecycle = new Lifecycle();
    // So that the work of a bot that is gone is given to another soon: the next one has another name.
    const change = (config: string): string =>
      config.replace('data-store:', 'bot-session-keepalive-timeout: 5\n        data-store:');
    const cluster = lifecycle.use(await Cluster.create({ postgres, change }));
    const controllers = await Promise.all(Array.from({ length: controllerCount }, () => cluster.start()));
    const line = lifecycle.use(await TcpSwitch.open(controllers.map(({ url }) => url)));
    return new Chaos(lifecycle, { postgres, cluster, line, controllers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifecycle[Symbol.asyncDispose]();
  }

  /** Executes every action, as clients of ours do. */
  async execute(dice: Dice, outcomes: Map<number, ExecutionOutcome[]>): Promise<void> {
    this.#actions = await Promise.all(
      Array.from({ length: actionCount }, (_, index) => draftAction({ argv: ['printf', '%s', textOf(index)] })),
    );
    let next = 0;
    const pauseMs = (killingMs * clientCount) / actionCount;
    await Promise.all(
      Array.from({ length: clientCount }, async () => {
        await using client = await Client.connect({
          url: this.#line.url,
          retryPolicy: {
            maxAttempts: 1_000,
            initialDelayMs: 50,
            maxDelayMs: 1_000,
            maxElapsedMs: killingMs + healingMs,
          },
        });
        for (let index = next++; index < actionCount; index = next++) {
          await delay(dice.int(0, pauseMs));
          const begun = Date.now();
          const outcome = await executeAction(client, this.#actions[index]!);
          outcomes.set(index, [...(outcomes.get(index) ?? []), outcome]);
          this.slowestMs = Math.max(this.slowestMs, Date.now() - begun);
        }
      }),
    );
  }

  /** Kills one after the other, and starts it again after a moment. Returns how often each kind was killed. */
  async strike(dice: Dice, until: number): Promise<string> {
    const counts = { controller: 0, bot: 0, postgres: 0 };
    const first = ['postgres', 'controller', 'bot'] as const;
    for (let count = 0; count < first.length || Date.now() < until; count += 1) {
      await delay(dice.int(200, 3_000));
      const kind = first[count] ?? dice.pick(['controller', 'controller', 'bot', 'bot', 'bot', 'postgres'] as const);
      counts[kind] += 1;
      if (kind === 'controller') await this.#killController(dice);
      if (kind === 'bot') await this.#killBot(dice);
      if (kind === 'postgres') await this.#killPostgres(dice);
    }
    return JSON.stringify(counts);
  }

  /** Each action has one result under its digest, its own; and nothing is left that would be done again. */
  async checkStore(): Promise<void> {
    await using client = await Client.connect({ url: this.#line.url });
    for (const [index, { digest }] of this.#actions.entries()) {
      const result = await client.actionCache.get(digest);
      assert.equal(result?.stdoutDigest?.hash, Digest.of(Buffer.from(textOf(index))).hash, `Action ${index}`);
    }
    const left = await this.#cluster.query('SELECT id, stage, lease_id FROM jobs WHERE stage < 4');
    assert.deepEqual(left, []);
    const open = await this.#cluster.query(
      'SELECT bot_id FROM bot_sessions WHERE closed_because IS NULL GROUP BY bot_id HAVING count(*) > 1',
    );
    assert.deepEqual(open, []);
  }

  async #killController(dice: Dice): Promise<void> {
    const index = dice.int(0, controllerCount - 1);
    const { process: controller, url } = this.#controllers[index]!;
    controller.kill('SIGKILL');
    await controller.ended;
    await delay(dice.int(0, 2_000));
    this.#controllers[index] = await this.#cluster.start(url);
  }

  async #killBot(dice: Dice): Promise<void> {
    const index = dice.int(0, botCount - 1);
    const bot = this.#bots[index]!;
    bot.kill('SIGKILL');
    await bot.ended;
    await delay(dice.int(0, 1_000));
    this.#startBot(index);
  }

  async #killPostgres(dice: Dice): Promise<void> {
    await this.#postgres.crash();
    await delay(dice.int(0, 2_000));
    await this.#postgres.start([]);
  }

  #startBot(index: number): void {
    const { site } = this.#cluster;
    const flags = ['--remote', this.#line.url, '--work-dir', site.path(`bot-${index}`), '--concurrency', '2'];
    const bot = new BgdProcess(['bot', 'host-tools', ...flags], { home: site.home });
    this.#bots[index] = this.#lifecycle.use(bot);
  }
}
