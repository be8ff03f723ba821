import assert from 'node:assert/strict';
import type { JobStore, Operation } from '../../../src/scheduler/job-store.js';
import { platformKeyOf } from '../../../src/scheduler/platform.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import {
  active,
  keepaliveMs,
  newJob,
  newOperation,
  newSession,
  newUpdate,
  noPlatform,
  offering,
} from '../../helpers/jobs.js';
import type { CreateJobStore } from './describe-operation-store.js';

const gpu = platformKeyOf([{ name: 'pool', value: 'gpu' }]);
const response = Buffer.from('');

/** What the housekeeper may rely on in every {@link JobStore}. */
export function describeStoreUpkeep(name: string, create: CreateJobStore): void {
  describe(`${name} under upkeep`, () => {
    let clock: FakeClock;
    let opened: Awaited<ReturnType<CreateJobStore>>;
    let store: JobStore;

    beforeEach(async () => {
      clock = new FakeClock();
      opened = await create(clock);
      ({ store } = opened);
    });

    afterEach(() => opened[Symbol.asyncDispose]());

    const add = (job: string, overrides = {}): Promise<Operation> =>
      store.operations.add(newJob(job, overrides), newOperation(), 1_000);
    const stageOf = async ({ id }: Operation): Promise<Stage | undefined> => (await store.operations.find(id))?.stage;

    it('ends sessions whose deadline has passed, and queues their jobs again', async () => {
      const operation = await add('a');
      const session = await store.sessions.open(newSession('bot'));
      const claimed = await store.sessions.claim(session.name, session.revision, keepaliveMs);
      const reports = [active(claimed!.leases[0]!.id)];
      await store.sessions.update(newUpdate(session.name, 'bot', { reports }));
      clock.advance(keepaliveMs - 1);
      const tooEarly = await store.upkeep.expireSessions();
      clock.advance(1);

      const expired = await store.upkeep.expireSessions();

      assert.deepEqual([tooEarly, expired], [0, 1]);
      assert.equal(await stageOf(operation), Stage.Queued);
      assert.deepEqual(await store.upkeep.bots(), []);
    });

    it('extends deadlines, and shortens none', async () => {
      await store.sessions.open(newSession('short', { keepaliveMs: 1_000 }));
      await store.sessions.open(newSession('long', { keepaliveMs: 10_000 }));

      await store.upkeep.extendSessions(5_000);

      clock.advance(4_999);
      assert.equal(await store.upkeep.expireSessions(), 0);
      clock.advance(1);
      assert.equal(await store.upkeep.expireSessions(), 1);
    });

    it('tells which bots there are and what they offer', async () => {
      const { name: sessionName } = await store.sessions.open(
        newSession('bot', { offered: offering({ pool: 'gpu' }) }),
      );

      assert.deepEqual(await store.upkeep.bots(), [
        { botId: 'bot', sessionName, offered: { values: { pool: ['gpu'] }, wildcards: [] } },
      ]);
    });

    it('tells which platforms are waited for, each once', async () => {
      await add('a');
      await add('b');
      await add('c', { platformKey: gpu });

      assert.deepEqual(new Set(await store.upkeep.queuedPlatforms()), new Set([noPlatform, gpu]));
    });

    it('ends the jobs of a platform that wait too long', async () => {
      const old = await add('old', { platformKey: gpu });
      const other = await add('other');
      clock.advance(1_000);
      const young = await add('young', { platformKey: gpu });

      const count = await store.upkeep.failQueued(gpu, 1_000, response);

      assert.equal(count, 1);
      assert.deepEqual(
        [await stageOf(old), await stageOf(other), await stageOf(young)],
        [Stage.Completed, Stage.Queued, Stage.Queued],
      );
    });

    it('forgets what is over for long enough, and nothing else', async () => {
      const running = await add('running');
      const cancelled = await add('cancelled');
      await store.operations.cancel(cancelled.id);
      clock.advance(1_000);
      const cached = await add('cached', { response });
      clock.advance(500);

      const count = await store.upkeep.prune(1_000);

      assert.equal(count, 1);
      assert.deepEqual(
        [await stageOf(running), await stageOf(cancelled), await stageOf(cached)],
        [Stage.Queued, undefined, Stage.Completed],
      );
    });

    it('forgets a cancelled operation while its job goes on for another', async () => {
      const cancelled = await add('a');
      const waiting = await add('a');
      await store.operations.cancel(cancelled.id);
      clock.advance(1_000);

      await store.upkeep.prune(1_000);

      assert.deepEqual([await stageOf(cancelled), await stageOf(waiting)], [undefined, Stage.Queued]);
    });

    it('forgets sessions that ended long ago', async () => {
      const { name: sessionName } = await store.sessions.open(newSession('bot'));
      clock.advance(keepaliveMs);
      await store.upkeep.expireSessions();
      clock.advance(1_000);

      await store.upkeep.prune(1_000);

      await assert.rejects(store.sessions.update(newUpdate(sessionName, 'bot')), { message: /is not known here/ });
    });
  });
}
