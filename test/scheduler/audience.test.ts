import assert from 'node:assert/strict';
import { Audience } from '../../src/scheduler/audience.js';
import type { JobStore, Operation } from '../../src/scheduler/job-store.js';
import { Stage } from '../../src/scheduler/stage.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { newJob, newOperation } from '../helpers/jobs.js';
import { openJobStore } from '../helpers/open-job-store.js';

const sweepMs = 5_000;
const cancelUnwatchedAfterMs = 60_000;

describe('Audience', () => {
  let clock: FakeClock;
  let opened: Awaited<ReturnType<typeof openJobStore>>;
  let store: JobStore;
  let here: Audience;
  let elsewhere: Audience;

  const create = (overrides: Partial<ConstructorParameters<typeof Audience>[0]> = {}): Audience =>
    new Audience({ store, clock, cancelUnwatchedAfterMs, sweepMs, ...overrides });

  beforeEach(async () => {
    clock = new FakeClock();
    opened = await openJobStore(clock);
    ({ store } = opened);
    [here, elsewhere] = [create(), create()];
  });

  afterEach(() => opened[Symbol.asyncDispose]());

  const add = (name: string): Promise<Operation> =>
    store.operations.add(newJob(name), newOperation({ watchedForMs: here.patienceMs }), 1_000);
  const isOver = async ({ id }: Operation): Promise<boolean> =>
    (await store.operations.find(id))?.stage === Stage.Completed;

  /** Lets time pass for all controllers. Returns how many Operations were cancelled. */
  async function pass(ms: number, controllers = [here, elsewhere]): Promise<number> {
    let cancelled = 0;
    for (let passedMs = 0; passedMs < ms; passedMs += sweepMs) {
      clock.advance(sweepMs);
      for (const each of controllers) cancelled += await each.tend();
    }
    return cancelled;
  }

  async function* endless(): AsyncGenerator<string, void, undefined> {
    for (;;) {
      await Promise.resolve();
      yield 'state';
    }
  }

  /** A stream that has begun. */
  async function follow(audience: Audience, { id }: Operation): Promise<AsyncGenerator<string, void, undefined>> {
    const stream = audience.watch(id, endless());
    await stream.next();
    return stream;
  }

  it('keeps what has a stream on any controller, and ends it soon after its last one', async () => {
    const operation = await add('a');
    const streams = [await follow(here, operation), await follow(elsewhere, operation), await follow(here, operation)];
    await pass(10 * cancelUnwatchedAfterMs);
    for (const stream of streams) {
      assert.equal(await isOver(operation), false);
      await pass(cancelUnwatchedAfterMs);
      await stream.return();
    }

    await pass(cancelUnwatchedAfterMs);
    assert.equal(await isOver(operation), false, 'Within the time');
    await pass(cancelUnwatchedAfterMs);

    assert.equal(await isOver(operation), true);
  });

  it('keeps what is asked for now and then', async () => {
    const operation = await add('a');
    for (let times = 0; times < 10; times += 1) {
      elsewhere.note(operation.id);
      assert.equal(await pass(cancelUnwatchedAfterMs), 0);
    }

    assert.equal(await pass(2 * cancelUnwatchedAfterMs), 1);
  });

  it('keeps for the whole time what had a stream of a controller that died', async () => {
    const operation = await add('a');
    await follow(elsewhere, operation);
    await pass(10 * cancelUnwatchedAfterMs);

    assert.equal(await pass(cancelUnwatchedAfterMs, [here]), 0, 'Its client may come back');
    await follow(here, operation);

    assert.equal(await pass(10 * cancelUnwatchedAfterMs, [here]), 0);
  });

  it('ends what nobody has followed, because the controller died at once', async () => {
    await add('a');

    assert.equal(await pass(2 * cancelUnwatchedAfterMs, [here]), 1);
  });

  it('gives everything its time again when there was no controller', async () => {
    const operation = await add('a');
    clock.advance(10 * cancelUnwatchedAfterMs);
    const restarted = create();
    restarted.extendAll();

    await pass(cancelUnwatchedAfterMs, [restarted]);
    const before = await isOver(operation);
    await pass(cancelUnwatchedAfterMs, [restarted]);

    assert.deepEqual([before, await isOver(operation)], [false, true]);
  });

  it('lets other controllers tell what they have first, after an outage of the database', async () => {
    let isAway = false;
    const unlessAway = <T>(work: () => Promise<T>): Promise<T> => (isAway ? Promise.reject(new Error('away')) : work());
    const { events, watches } = store;
    const fragile: JobStore['watches'] = {
      extend: (ids, forMs) => unlessAway(() => watches.extend(ids, forMs)),
      extendAll: (forMs) => unlessAway(() => watches.extendAll(forMs)),
      cancelUnwatched: () => unlessAway(() => watches.cancelUnwatched()),
    };
    [here, elsewhere] = [
      create({ store: { events, watches: fragile } }),
      create({ store: { events, watches: fragile } }),
    ];
    const operation = await add('a');
    await follow(elsewhere, operation);
    await pass(cancelUnwatchedAfterMs);
    // Whichever sweep is the first one after it.
    for (let sweeps = 60; sweeps < 68; sweeps += 1) {
      isAway = true;
      for (let count = 0; count < sweeps; count += 1) {
        clock.advance(sweepMs);
        for (const each of [here, elsewhere]) await each.tend().catch(() => undefined);
      }
      isAway = false;
      // Here goes first.
      assert.equal(await pass(4 * cancelUnwatchedAfterMs), 0);
    }

    assert.equal(await isOver(operation), false);
  });

  it('cancels nothing while it cannot hear the others', async () => {
    const events = { ...store.events, isConnected: false, subscribe: () => ({ [Symbol.dispose]: () => undefined }) };
    const deaf = create({ store: { events, watches: store.watches } });
    await add('a');

    assert.equal(await pass(10 * cancelUnwatchedAfterMs, [deaf]), 0);
  });

  it('asks and cancels nothing where it is not wanted', async () => {
    const off = create({ cancelUnwatchedAfterMs: 0, store: { events: store.events, watches: undefined as never } });
    const stream = endless();

    assert.equal(off.watch('a', stream), stream);
    off.note('a');
    assert.equal(await pass(cancelUnwatchedAfterMs, [off]), 0);
    assert.equal(off.patienceMs, undefined);
  });
});
