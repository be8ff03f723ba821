import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import type { JobStore, Operation } from '../../../src/scheduler/job-store.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { failed, keepaliveMs, newUpdate, responseOf } from '../../helpers/jobs.js';
import { StoreBench } from '../../helpers/store-bench.js';
import type { CreateJobStore } from './describe-operation-store.js';

const quarantineMs = 600_000;

/** What every {@link JobStore} does with Actions that kill bots. */
export function describeQuarantine(name: string, create: CreateJobStore): void {
  describe(`${name} with actions that kill bots`, () => {
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

    const add = (overrides = {}): Promise<Operation> => bench.add('a', { quarantineMs, ...overrides });

    async function vanish(): Promise<void> {
      await bench.working();
      clock.advance(keepaliveMs);
      await store.upkeep.expireSessions();
    }

    async function fail(): Promise<void> {
      const { session, leaseId } = await bench.working();
      await bench.update(session, [failed(leaseId, 'UNAVAILABLE: no disk')]);
    }

    async function attempt(...attempts: (() => Promise<void>)[]): Promise<void> {
      for (const each of attempts) {
        await each();
        // However often it has failed, it is time again.
        clock.advance(20_000);
      }
    }

    it('fails one at once that bots vanished with, and says which and until when (U3)', async () => {
      await add();
      await attempt(vanish, vanish, vanish, vanish, vanish);

      const again = await add();

      const { status } = responseOf(again);
      const message = status?.message ?? '';
      assert.equal(again.stage, Stage.Completed);
      assert.equal(status?.code, Code.FailedPrecondition);
      assert.deepEqual(status.details ?? [], []);
      const until = new Date(clock.now() - 20_000 + quarantineMs).toISOString();
      assert.ok(message.includes(`quarantined until ${until}: in 5 of its 5 attempts the bot vanished`), message);
      assert.ok(message.includes(`"bot" at ${new Date(clock.now() - 20_000).toISOString()}`), message);
      assert.deepEqual(await bench.find(again), again);
      assert.deepEqual(await store.upkeep.queuedPlatforms(), []);
    });

    it('fails one at once whose bots started anew, and whose jobs are not shared', async () => {
      await add({ isShared: false });
      for (let attempts = 1; attempts <= 6; attempts += 1) await bench.open('bot').then((each) => bench.claim(each));

      assert.equal((await add({ isShared: false })).stage, Stage.Completed);
      assert.equal((await add()).stage, Stage.Completed);
    });

    it('lets others go on, also beside one that it fails', async () => {
      await add();
      await attempt(vanish, vanish, vanish, vanish, vanish);

      const [killer, other, cached] = await Promise.all([
        add(),
        bench.add('b', { quarantineMs }),
        add({ response: Buffer.from('') }),
      ]);

      assert.deepEqual([killer.stage, other.stage], [Stage.Completed, Stage.Queued]);
      assert.deepEqual(responseOf(cached).status ?? undefined, undefined);
    });

    it('executes it again when the time is over, and where there is none', async () => {
      await add();
      await attempt(vanish, vanish, vanish, vanish, vanish);
      const without = await bench.add('a', { isShared: false });
      clock.advance(quarantineMs - 20_001);
      const before = await add();
      clock.advance(1);

      const after = await add();

      assert.deepEqual([without.stage, before.stage, after.stage], [Stage.Queued, Stage.Completed, Stage.Queued]);
    });

    it('blames it when bots vanished in most of the attempts, whatever the others were', async () => {
      await add();
      await attempt(vanish, fail, vanish, vanish, fail);

      const { status } = responseOf(await add());

      assert.match(status?.message ?? '', /in 3 of its 5 attempts the bot vanished/);
    });

    it('does not blame it for what bots report, give up or forget', async () => {
      await add();
      const forget = async (): Promise<void> => {
        const { session } = await bench.working();
        await bench.update(session, []);
      };
      const misuse = async (): Promise<void> => {
        const { session } = await bench.working();
        await assert.rejects(store.sessions.update(newUpdate(session.name, 'other')), { code: Code.InvalidArgument });
      };
      await attempt(fail, forget, misuse, forget, fail);

      assert.equal((await add()).stage, Stage.Queued);
    });

    it('starts to count anew with each job that is given up', async () => {
      await add();
      await attempt(vanish, vanish, vanish, vanish, vanish);
      clock.advance(quarantineMs);
      await add();
      await attempt(vanish, vanish, vanish, vanish, vanish);

      const { status } = responseOf(await add());

      const until = new Date(clock.now() - 20_000 + quarantineMs).toISOString();
      assert.ok((status?.message ?? '').includes(until), status?.message ?? '');
    });

    it('forgets it with what else is over for long enough', async () => {
      await add();
      await attempt(vanish, vanish, vanish, vanish, vanish);

      await store.upkeep.prune(20_001);
      const before = await add();
      await store.upkeep.prune(20_000);

      assert.deepEqual([before.stage, (await add()).stage], [Stage.Completed, Stage.Queued]);
    });
  });
}
