import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { InspectableJobStore } from '../../../src/scheduler/job-inspection.js';
import type { Operation, Session } from '../../../src/scheduler/job-store.js';
import { LeaseState } from '../../../src/scheduler/lease.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { seed, times } from '../../helpers/chance.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { active, done, failed, keepaliveMs, newJob, newOperation, newSession, newUpdate } from '../../helpers/jobs.js';
import { jobStoreKinds, type OpenedJobStore } from '../../helpers/job-store-kinds.js';

const botIds = ['one', 'two', 'three'] as const;
const actions = ['a', 'b', 'c', 'd'] as const;

/** A system of clients and bots that do whatever they like, and what was seen of it. */
class World {
  readonly store: InspectableJobStore;
  readonly clock: FakeClock;
  readonly #sessions = new Map<string, Session>();
  /** Leases that any bot has ever been given, the old ones included. */
  readonly #leaseIds: string[] = [];
  readonly #operations: Operation[] = [];
  readonly #ends = new Map<string, string>();
  readonly #drained = new Set<string>();
  #results = 0;

  constructor(store: InspectableJobStore, clock: FakeClock) {
    this.store = store;
    this.clock = clock;
  }

  async add(action: string, isShared: boolean): Promise<void> {
    this.#operations.push(await this.store.operations.add(newJob(action, { isShared }), newOperation(), 1_000));
  }

  async cancel(index: number): Promise<void> {
    const operation = this.#operations[index % Math.max(1, this.#operations.length)];
    if (operation) await this.store.operations.cancel(operation.id);
  }

  async open(botId: string): Promise<void> {
    this.#sessions.set(botId, await this.store.sessions.open(newSession(botId)));
  }

  async claim(botId: string): Promise<void> {
    const session = this.#sessions.get(botId);
    if (!session) return;
    const claimed = await this.store.sessions.claim(session.name, session.revision, keepaliveMs);
    assert.ok(!claimed || !this.#drained.has(botId), 'A drained bot was given a job');
    this.#note(botId, claimed);
  }

  async drain(botId: string, isDrained: boolean): Promise<void> {
    if (!(await this.store.inspection.drain({ parent: 'main', botId }, isDrained))) return;
    if (isDrained) this.#drained.add(botId);
    else this.#drained.delete(botId);
  }

  async requeue(index: number): Promise<void> {
    const operation = this.#operations[index % Math.max(1, this.#operations.length)];
    if (operation) await this.store.inspection.requeue(operation.id);
  }

  async hangUp(botId: string): Promise<void> {
    const session = this.#sessions.get(botId);
    if (session) await this.store.sessions.hangUp(session.name, session.revision, 15_000);
  }

  /** Reports on a Lease, be it the bot's own, an old one, or another bot's. */
  async report(
    botId: string,
    lease: number,
    kind: 'active' | 'done' | 'failed' | 'cancelled' | 'nothing',
  ): Promise<void> {
    const session = this.#sessions.get(botId);
    const id = this.#leaseIds.at(-1 - (lease % Math.max(1, this.#leaseIds.length)));
    if (!session || id === undefined) return;
    this.#results += 1;
    const reports = {
      active: [active(id)],
      done: [done(id, `result ${this.#results}`)],
      failed: [failed(id, 'fault')],
      cancelled: [{ id, state: LeaseState.Cancelled }],
      nothing: [],
    }[kind];
    try {
      this.#note(botId, await this.store.sessions.update(newUpdate(session.name, botId, { reports })));
    } catch {
      this.#sessions.delete(botId);
    }
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.store.upkeep.expireSessions();
  }

  /** What must hold at every moment (D7). */
  async check(): Promise<void> {
    const held = new Map<string, string>();
    for (const [botId, { leases }] of await this.#openSessions()) {
      for (const { id, state } of leases) {
        if (state === LeaseState.Cancelled) continue;
        assert.ok(!held.has(id), 'A lease is held by two bots');
        held.set(id, botId);
      }
    }
    const found = await Promise.all(this.#operations.map(({ id }) => this.store.operations.find(id)));
    for (const [index, { id }] of this.#operations.entries()) {
      const operation = found[index];
      assert.ok(operation, 'An operation is lost');
      const end = operation.response && Buffer.from(operation.response).toString('hex');
      assert.equal(operation.stage === Stage.Completed, end !== undefined);
      const first = this.#ends.get(id) ?? end;
      assert.equal(end, first, 'An operation has changed after its end');
      if (first !== undefined) this.#ends.set(id, first);
    }
  }

  /** A good bot comes, and everything must come to an end. */
  async finish(): Promise<void> {
    await this.pass(10 * keepaliveMs);
    let session = await this.store.sessions.open(newSession('good'));
    for (;;) {
      const claimed = await this.store.sessions.claim(session.name, session.revision, keepaliveMs);
      if (!claimed) break;
      const reports = claimed.leases.map(({ id }) => done(id, 'good'));
      session = await this.store.sessions.update(newUpdate(session.name, 'good', { reports }));
    }
    await this.check();
    for (const { id } of this.#operations) assert.ok(this.#ends.has(id), 'An operation never ends');
  }

  #note(botId: string, session: Session | undefined): void {
    if (!session) return;
    this.#sessions.set(botId, session);
    for (const { id } of session.leases) if (!this.#leaseIds.includes(id)) this.#leaseIds.push(id);
  }

  async #openSessions(): Promise<[string, Session][]> {
    const found: [string, Session][] = [];
    for (const [botId, { name, revision }] of this.#sessions) {
      const session = await this.store.sessions.touch(name, revision, keepaliveMs);
      if (session) found.push([botId, session]);
    }
    return found;
  }
}

/** One thing that somebody does, which a report of a failure names. */
function command(name: string, act: (world: World) => Promise<void>): fc.AsyncCommand<object, World> {
  return {
    check: () => true,
    run: async (_model, world) => {
      await act(world);
      await world.check();
    },
    toString: () => name,
  };
}

const botId = fc.constantFrom(...botIds);
const kinds = fc.constantFrom('active' as const, 'active', 'done', 'failed', 'cancelled', 'nothing');
const steps: fc.Arbitrary<fc.AsyncCommand<object, World>>[] = [
  fc
    .tuple(fc.constantFrom(...actions), fc.boolean())
    .map(([action, isShared]) => command(`add ${action} ${isShared}`, (world) => world.add(action, isShared))),
  fc.nat(9).map((index) => command(`cancel ${index}`, (world) => world.cancel(index))),
  botId.map((bot) => command(`open ${bot}`, (world) => world.open(bot))),
  botId.map((bot) => command(`claim ${bot}`, (world) => world.claim(bot))),
  fc
    .tuple(botId, fc.boolean())
    .map(([bot, isDrained]) => command(`drain ${bot} ${isDrained}`, (world) => world.drain(bot, isDrained))),
  fc.nat(9).map((index) => command(`requeue ${index}`, (world) => world.requeue(index))),
  botId.map((bot) => command(`hang up ${bot}`, (world) => world.hangUp(bot))),
  fc
    .tuple(botId, fc.nat(4), kinds)
    .map(([bot, lease, kind]) => command(`report ${bot} ${lease} ${kind}`, (world) => world.report(bot, lease, kind))),
  fc.constantFrom(1_000, 20_000, keepaliveMs).map((ms) => command(`pass ${ms}`, (world) => world.pass(ms))),
];

/** How many sequences are tried: each takes milliseconds on SQLite, and many journeys to a server on PostgreSQL. */
const runs: Readonly<Record<string, number>> = { SQLite: times(60, 25_000), PostgreSQL: times(8, 500) };

for (const { kind, open } of jobStoreKinds) {
  describe(`SqlJobStore on ${kind}, whatever clients and bots do`, function () {
    this.timeout(times(60_000, 3_600_000));
    const clock = new FakeClock();
    let opened: OpenedJobStore;

    before(async () => void (opened = await open(clock)));

    after(() => opened[Symbol.asyncDispose]());

    async function emptyWorld(): Promise<World> {
      await opened.database.transaction(async (sql) => {
        for (const table of ['jobs', 'bot_sessions', 'drained_bots']) await sql(table).delete();
      });
      return new World(opened.store, clock);
    }

    it('ends every operation, each once and for good (D7)', async () => {
      await fc.assert(
        fc.asyncProperty(fc.commands(steps, { maxCommands: 60, size: 'max' }), async (commands) => {
          const world = await emptyWorld();
          await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
          await world.finish();
        }),
        { numRuns: runs[kind] ?? 0, seed },
      );
    });
  });
}
