import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { silentLogger } from '../../src/common/logger.js';
import { StatusError } from '../../src/common/status-error.js';
import type { Database } from '../../src/sql/database.js';
import type { JobEvent, JobEventBus } from '../../src/scheduler/job-events.js';
import type { Operation } from '../../src/scheduler/job-store.js';
import { LocalJobEvents } from '../../src/scheduler/job-events.js';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { Stage } from '../../src/scheduler/stage.js';
import { SqlJobStore } from '../../src/scheduler/stores/sql-job-store.js';
import { SqliteDatabase } from '../../src/sql/sqlite-database.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { done, keepaliveMs, newJob, newOperation, newSession, newUpdate, offering } from '../helpers/jobs.js';
import { until } from '../helpers/until.js';

/** A line to other controllers that brings nothing. */
class DeadLine implements JobEventBus {
  readonly #local = new LocalJobEvents();
  isConnected = true;
  wasAlone = false;

  async announce(): Promise<void> {
    // Nobody hears it.
  }

  publish(event: JobEvent): void {
    this.#local.publish(event);
  }

  subscribe(listener: (event: JobEvent) => void): Disposable {
    return this.#local.subscribe(listener);
  }
}

describe('A scheduler that hears nothing of another controller', () => {
  const lifecycle = new Lifecycle();
  let clock: FakeClock;
  let line: DeadLine;
  let other: SqlJobStore;
  let scheduler: Scheduler;
  let isAway: boolean;
  const { signal } = new AbortController();

  function whileThere(database: Database): Database {
    const check = (): void => {
      if (isAway) throw new StatusError(Code.Unavailable, 'The database is away');
    };
    return {
      dialect: database.dialect,
      transaction: async (work) => (check(), database.transaction(work)),
      read: async (work) => (check(), database.read(work)),
      statement: async (work) => (check(), database.statement(work)),
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  }

  async function start(wasAlone = false): Promise<void> {
    clock = new FakeClock();
    line = new DeadLine();
    line.wasAlone = wasAlone;
    const database = lifecycle.use(await SqliteDatabase.open({ path: ':memory:' }));
    other = await SqlJobStore.open({ database, clock });
    isAway = false;
    const store = await SqlJobStore.open({ database: whileThere(database), clock, events: line });
    scheduler = lifecycle.use(new Scheduler({ store, clock, logger: silentLogger }));
  }

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  const add = (): Promise<Operation> => other.operations.add(newJob('a'), newOperation(), 10);

  /** The other controller's bot does the Job. */
  async function work(): Promise<void> {
    const { name, revision } = await other.sessions.open(newSession('bot'));
    const claimed = await other.sessions.claim(name, revision, keepaliveMs);
    await other.sessions.update(newUpdate(name, 'bot', { reports: [done(claimed!.leases[0]!.id)] }));
  }

  const sessions = async (): Promise<number> => (await other.upkeep.bots()).length;

  async function sweep(ms: number): Promise<void> {
    const { length } = clock.slept;
    clock.advance(ms);
    await until(() => clock.slept.length > length);
  }

  const gap = (wasAlone: boolean): void => line.publish({ type: 'gap', wasAlone });

  it('tells clients of the end after the gap', async () => {
    await start();
    await scheduler.start();
    const states = scheduler.watch(await add(), signal);
    await states.next();
    const ended = states.next();
    await work();

    gap(false);

    assert.equal((await ended).value?.stage, Stage.Completed);
  });

  it('tells clients of the end even if nobody says that there was a gap', async () => {
    await start();
    await scheduler.start();
    const states = scheduler.watch(await add(), signal);
    await states.next();
    const ended = states.next();
    await work();

    clock.advance(30_000);

    let { value } = await ended;
    while (value?.stage !== Stage.Completed) ({ value } = await states.next());
  });

  it('tells clients of the end although the store was away when they looked (U5)', async () => {
    await start();
    await scheduler.start();
    const states = scheduler.watch(await add(), signal);
    await states.next();
    const ended = states.next();
    await work();
    const { sleepers } = clock;

    isAway = true;
    gap(false);
    await until(() => clock.sleepers > sleepers);
    isAway = false;
    clock.advance(1_000);

    assert.equal((await ended).value?.stage, Stage.Completed);
  });

  it('lets a waiting bot come again after the gap', async () => {
    await start();
    await scheduler.start();
    const { name } = await scheduler.bots.create(
      { parent: 'main', botId: 'bot', isAccepting: true, offered: offering({}) },
      signal,
    );
    const request = { ...newUpdate(name, 'bot'), reports: [], deadlineMs: clock.now() + 60_000, holdsBusy: false };
    const { sleepers } = clock;
    const held = scheduler.bots.update({ ...request, storeInlined: (result) => Promise.resolve(result) }, signal);
    await until(() => clock.sleepers > sleepers);

    gap(false);

    assert.equal((await held).name, name);
  });

  it('gives up no bot while the line is down, and gives all a new deadline when nobody was there', async () => {
    await start();
    await other.sessions.open(newSession('bot'));
    await scheduler.start();

    line.isConnected = false;
    await sweep(keepaliveMs + 1);
    assert.equal(await sessions(), 1);
    gap(true);
    line.isConnected = true;
    // Comes after what the gap has brought about.
    await other.upkeep.extendSessions(0);
    await sweep(keepaliveMs - 1);
    assert.equal(await sessions(), 1);

    await sweep(5_000);
    assert.equal(await sessions(), 0);
  });

  it('gives up bots after all while nothing but the line is down for long', async () => {
    await start();
    await other.sessions.open(newSession('bot'));
    await scheduler.start();
    line.isConnected = false;

    await sweep(2 * keepaliveMs - 1);
    assert.equal(await sessions(), 1);
    await sweep(5_000);

    assert.equal(await sessions(), 0);
  });

  it('gives up bots that are silent when others were there', async () => {
    await start();
    await other.sessions.open(newSession('bot'));
    clock.advance(keepaliveMs - 1);
    await scheduler.start();

    line.isConnected = false;
    gap(false);
    line.isConnected = true;
    await sweep(5_000);

    assert.equal(await sessions(), 0);
  });

  it('gives bots a new deadline at its start if nobody else was there', async () => {
    await start(true);
    await other.sessions.open(newSession('bot'));
    clock.advance(keepaliveMs - 1);
    await scheduler.start();

    await sweep(5_000);

    assert.equal(await sessions(), 1);
  });
});
