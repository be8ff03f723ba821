import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import type { JobEvent } from '../../../src/scheduler/job-events.js';
import type { JobStore, Operation } from '../../../src/scheduler/job-store.js';
import { LeaseState } from '../../../src/scheduler/lease.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { active, newJob, newOperation, responseOf } from '../../helpers/jobs.js';
import { StoreBench } from '../../helpers/store-bench.js';
import type { CreateJobStore } from './describe-operation-store.js';

const watchedForMs = 10_000;

/** How every {@link JobStore} cancels what nobody watches (EX-8). */
export function describeWatches(name: string, create: CreateJobStore): void {
  describe(`${name} with operations that nobody watches`, () => {
    let clock: FakeClock;
    let opened: Awaited<ReturnType<CreateJobStore>>;
    let store: JobStore;
    let bench: StoreBench;

    beforeEach(async () => {
      clock = new FakeClock();
      opened = await create(clock);
      ({ store } = opened);
      bench = new StoreBench(store);
    });

    afterEach(() => opened[Symbol.asyncDispose]());

    const add = (job: string, overrides = {}): Promise<Operation> =>
      store.operations.add(newJob(job), newOperation({ watchedForMs, ...overrides }), 1_000);
    const stageOf = async (operation: Operation): Promise<Stage> => (await bench.find(operation)).stage;
    const cancelUnwatched = async (): Promise<number> => (await store.watches.cancelUnwatched()).cancelled;

    it('cancels them when their time is over, not before, and their jobs', async () => {
      const operation = await add('a');
      const { session, leaseId } = await bench.working();
      const events: JobEvent[] = [];
      store.events.subscribe((event) => events.push(event));
      clock.advance(watchedForMs - 1);
      const before = await cancelUnwatched();
      clock.advance(1);

      const cancelled = await cancelUnwatched();

      assert.deepEqual([before, cancelled, await cancelUnwatched()], [0, 1, 0]);
      assert.equal(responseOf(await bench.find(operation)).status?.code, Code.Cancelled);
      assert.ok(events.some((event) => event.type === 'session' && event.sessionName === session.name));
      const { leases } = await bench.update(session, [active(leaseId)]);
      assert.deepEqual(
        leases.map(({ state }) => state),
        [LeaseState.Cancelled],
      );
    });

    it('lets those go on that are watched for longer', async () => {
      const [watched, unwatched] = [await add('a'), await add('b')];
      clock.advance(5_000);
      await store.watches.extend([watched.id], watchedForMs);
      clock.advance(5_000);

      const first = await cancelUnwatched();
      const stages = [await stageOf(watched), await stageOf(unwatched)];
      clock.advance(5_000);

      assert.deepEqual([first, ...stages], [1, Stage.Queued, Stage.Completed]);
      assert.equal(await cancelUnwatched(), 1);
    });

    it('lets a job go on for another operation', async () => {
      const [unwatched, watched] = [await add('a'), await add('a', { watchedForMs: 2 * watchedForMs })];
      clock.advance(watchedForMs);

      await cancelUnwatched();

      assert.deepEqual([await stageOf(unwatched), await stageOf(watched)], [Stage.Completed, Stage.Queued]);
    });

    it('lets those go on for ever that have no time', async () => {
      const operation = await add('a', { watchedForMs: undefined });
      clock.advance(1_000 * watchedForMs);

      assert.equal(await cancelUnwatched(), 0);
      assert.equal(await stageOf(operation), Stage.Queued);
    });

    it('gives all of them their whole time again, and takes none from any', async () => {
      await add('a');
      await add('b', { watchedForMs: 3 * watchedForMs });
      clock.advance(watchedForMs);

      await store.watches.extendAll(watchedForMs);

      clock.advance(watchedForMs - 1);
      assert.equal(await cancelUnwatched(), 0);
      clock.advance(1);
      assert.equal(await cancelUnwatched(), 1);
      clock.advance(watchedForMs);
      assert.equal(await cancelUnwatched(), 1);
    });

    it('does not touch what is over, forgotten or unknown', async () => {
      const [done, forgotten] = [await add('a'), await add('b')];
      await store.operations.cancel(done.id);
      await store.operations.cancel(forgotten.id);
      const before = await bench.find(done);
      await store.operations.forget(forgotten.id);
      await store.watches.extend([done.id, forgotten.id, 'unknown'], 1);
      clock.advance(watchedForMs);

      assert.equal(await cancelUnwatched(), 0);
      assert.deepEqual(await bench.find(done), before);
    });

    it('cancels any number, some at a time', async () => {
      await Promise.all(Array.from({ length: 501 }, (_, index) => add(`job ${index}`)));
      clock.advance(watchedForMs);

      const first = await store.watches.cancelUnwatched();
      const second = await store.watches.cancelUnwatched();

      assert.deepEqual(
        [first, second],
        [
          { cancelled: 500, hasMore: true },
          { cancelled: 1, hasMore: false },
        ],
      );
    });
  });
}
