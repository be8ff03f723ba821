import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Code } from '../../src/common/code.js';
import { packAny, unpackAny } from '../../src/proto/any.js';
import { reapi, rwapi, type longrunning, type rpc } from '../../src/proto/index.js';
import { messageNames } from '../../src/proto/wire-names.js';
import { until } from '../helpers/until.js';
import { WireBench, endOf, stageOf } from '../helpers/wire-bench.js';

const { OK } = rwapi.BotStatus;
const { PENDING, ACTIVE, COMPLETED, CANCELLED } = rwapi.LeaseState;
const { QUEUED, EXECUTING } = reapi.ExecutionStage.Value;

type Session = rwapi.BotSession.$Properties;
type Lease = rwapi.Lease.$Properties;

/** `--update-period` and one second more: the deadline of each of its calls. */
const deadlineMs = 31_000;

/**
 * Says what BuildGrid's bots and buildbox-worker say, and nothing else: no `version`, no `update_mask`, one device whose handle
 * is new each time, the whole session with each update, and of a lease only what the server gave, its state and its end.
 */
class ForeignBot {
  readonly #bench: WireBench;
  readonly #botId: string;
  readonly #worker: rwapi.Worker.$Properties;
  session: Session = {};

  constructor(bench: WireBench, properties: Readonly<Record<string, string>> = {}, botId = '.worker-host.4711') {
    this.#bench = bench;
    this.#botId = botId;
    const pairs = Object.entries(properties).map(([key, value]) => ({ key, value }));
    this.#worker = { devices: [{ handle: randomUUID(), properties: pairs }] };
  }

  /** Registers; running leases stay in the session. */
  async connect(): Promise<readonly Lease[]> {
    const { leases = [] } = this.session;
    this.session = await this.#bench.createSession({ worker: this.#worker, status: OK, leases, botId: this.#botId });
    return this.session.leases ?? [];
  }

  async update(leases: readonly Lease[] = this.session.leases ?? []): Promise<readonly Lease[]> {
    const { name = '', expireTime = null } = this.session;
    const botSession = {
      name,
      worker: this.#worker,
      status: OK,
      leases: [...leases],
      botId: this.#botId,
      expireTime,
    };
    this.session = await this.#bench.updateSession(botSession, deadlineMs);
    return this.session.leases ?? [];
  }

  /** The leases at hand, in another state. */
  inState(state: rwapi.LeaseState, end: Pick<Lease, 'status' | 'result'> = {}): Lease[] {
    return (this.session.leases ?? []).map((lease) => ({ ...lease, state, ...end }));
  }

  /** The command ran: its exit code, and what it printed, as raw bytes. */
  static ran(exitCode = 0): Pick<Lease, 'status' | 'result'> {
    const now = { seconds: 1_700_000_000 };
    const stamps = { inputFetchStartTimestamp: now, executionStartTimestamp: now, executionCompletedTimestamp: now };
    const executionMetadata = { worker: 'worker-host', ...stamps };
    const result = { exitCode, stdoutRaw: Buffer.from('printed'), executionMetadata };
    return { status: { code: 0 }, result: packAny(messageNames.actionResult, reapi.ActionResult, result) };
  }

  static failed(status: rpc.Status.$Properties): Pick<Lease, 'status' | 'result'> {
    return { status, result: packAny(messageNames.actionResult, reapi.ActionResult, {}) };
  }
}

/** A stand-in: the real ones have not been run. */
describe("Bots of others, by BuildGrid's and buildbox-worker's messages", () => {
  let bench: WireBench;
  let bot: ForeignBot;

  beforeEach(async () => {
    bench = await WireBench.open({ propertyKeys: ['has-docker'] });
    bot = new ForeignBot(bench, { OSFamily: 'linux' });
  });

  afterEach(() => bench[Symbol.asyncDispose]());

  /** Executes an action that is like no other; resolves once it is queued. */
  async function execute(platform: Readonly<Record<string, string>> = {}) {
    const properties = Object.entries(platform).map(([name, value]) => ({ name, value }));
    const actionDigest = await bench.actions.action({ arguments: [randomUUID()], platform: { properties } });
    const states: longrunning.Operation[] = [];
    const following = (async () => {
      for await (const state of bench.execute({ actionDigest: actionDigest.toProto() })) states.push(state);
      return endOf(states.at(-1)!);
    })();
    await until(() => states.length > 0);
    return { actionDigest, states, following };
  }

  it('work an action off, whose lease carries the digest of the Action and no requirements (RW-4, RW-8)', async () => {
    const { actionDigest, states, following } = await execute({ OSFamily: 'linux' });

    const [lease] = await bot.connect();
    const running = await bot.update(bot.inState(ACTIVE));
    await until(() => states.length === 2);
    const idle = bot.update(bot.inState(COMPLETED, ForeignBot.ran(7)));

    const payload = unpackAny(messageNames.digest, reapi.Digest, lease?.payload);
    assert.deepEqual([payload?.hash, lease?.state, lease?.requirements ?? null], [actionDigest.hash, PENDING, null]);
    assert.deepEqual(
      running.map(({ id, state }) => [id, state]),
      [[lease?.id, ACTIVE]],
    );
    assert.deepEqual(states.slice(0, 2).map(stageOf), [QUEUED, EXECUTING]);
    const end = await following;
    assert.equal(end?.result?.exitCode, 7);
    assert.ok(end.result.stdoutDigest, 'What it printed is in the CAS');
    assert.deepEqual(await idle, []);
  });

  it('need not say that they have begun: a quick action is first heard of when it is done (RW-6)', async () => {
    const { following } = await execute();
    await bot.connect();

    await bot.update(bot.inState(COMPLETED, ForeignBot.ran()));

    assert.equal((await following)?.result?.exitCode, 0);
  });

  it('are given the next job with the answer to a result', async () => {
    const [first, second] = [await execute(), await execute()];
    await bot.connect();

    const next = await bot.update(bot.inState(COMPLETED, ForeignBot.ran()));
    await bot.update(bot.inState(COMPLETED, ForeignBot.ran()));

    assert.equal(next[0]?.state, PENDING);
    await Promise.all([first.following, second.following]);
  });

  it('cannot say more than INTERNAL of a fault: another attempt is made, elsewhere (RW-10, EX-16)', async () => {
    const { following } = await execute();
    await bot.connect();
    const other = new ForeignBot(bench, { OSFamily: 'linux' }, '.other-host.1');

    await bot.update(bot.inState(COMPLETED, ForeignBot.failed({ code: Code.Internal, message: 'CAS unreachable' })));
    bench.actions.jobs.clock.advance(5_000);
    const leases = await other.connect();
    await other.update(other.inState(COMPLETED, ForeignBot.ran()));

    assert.equal(leases.length, 1);
    assert.equal((await following)?.result?.exitCode, 0);
  });

  it('tell the client what the last worker said when five attempts have come to nothing (EX-16)', async () => {
    const { following } = await execute();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const worker = new ForeignBot(bench, {}, `.host.${attempt}`);
      assert.equal((await worker.connect()).length, 1, `attempt ${attempt}`);
      await worker.update(
        worker.inState(COMPLETED, ForeignBot.failed({ code: Code.Internal, message: `fault ${attempt}` })),
      );
      bench.actions.jobs.clock.advance(60_000);
    }

    const end = await following;
    assert.equal(end?.status?.code, Code.FailedPrecondition);
    assert.match(end.status.message ?? '', /5 attempts.*fault 4/);
    assert.deepEqual(end.status.details ?? [], []);
  });

  it('come back with their running leases in a new session, which calls them off (RW-1, RW-7)', async () => {
    const { states } = await execute();
    await bot.connect();
    await bot.update(bot.inState(ACTIVE));
    await until(() => states.length === 2);
    bot.session = { ...bot.session, leases: bot.inState(ACTIVE) };

    const told = await bot.connect();

    await until(() => stageOf(states.at(-1)!) === QUEUED);
    const running = told.filter(({ state }) => state === CANCELLED);
    assert.equal(running.length, 1);
  });

  it('may report twice, late, or for the lease of another: only the first report of who holds it counts (RW-7)', async () => {
    const first = await execute();
    await bot.connect();
    const report = bot.inState(COMPLETED, ForeignBot.ran(1));
    const thief = new ForeignBot(bench, {}, '.thief.1');
    await thief.connect();

    const toThief = await thief.update(report);
    await bot.update(report);
    const repeated = report.map((lease) => ({ ...lease, ...ForeignBot.ran(2) }));
    const again = await bot.update(repeated);

    assert.deepEqual([toThief, again], [[], []]);
    assert.equal((await first.following)?.result?.exitCode, 1);
  });

  for (const [title, result] of [
    ['no result', null],
    ['a result of another type', packAny(messageNames.digest, reapi.Digest, { hash: 'x', sizeBytes: 1 })],
    [
      'bytes that are no result',
      { type_url: `type.googleapis.com/${messageNames.actionResult}`, value: Buffer.from([0x0a, 0xff, 0xff]) },
    ],
  ] as const) {
    it(`that report success with ${title} cost an attempt, not the job (RW-10)`, async () => {
      const { following } = await execute();
      await bot.connect();

      await bot.update(bot.inState(COMPLETED, { status: { code: 0 }, result }));
      bench.actions.jobs.clock.advance(20_000);
      assert.equal((await bot.update()).length, 1);
      await bot.update(bot.inState(COMPLETED, ForeignBot.ran()));

      assert.equal((await following)?.result?.exitCode, 0);
    });
  }

  it('that never report again lose their session, and the job goes to others (RW-4, EX-16)', async () => {
    const { following } = await execute();
    await bot.connect();
    await bot.update(bot.inState(ACTIVE));

    bench.actions.jobs.clock.advance(61_000);
    await bench.actions.jobs.store.upkeep.expireSessions();
    const other = new ForeignBot(bench, {}, '.other-host.1');
    await other.connect();
    await other.update(other.inState(COMPLETED, ForeignBot.ran()));

    assert.equal((await following)?.result?.exitCode, 0);
    await assert.rejects(bot.update(), { code: Code.InvalidArgument });
  });
});
