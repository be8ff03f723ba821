import assert from 'node:assert/strict';
import type { JobStore } from '../../../src/scheduler/job-store.js';
import { platformKeyOf, type PlatformProperty } from '../../../src/scheduler/platform.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { jobStoreKinds } from '../../helpers/job-store-kinds.js';
import {
  active,
  done,
  keepaliveMs,
  newJob,
  newOperation,
  newSession,
  newUpdate,
  offering,
} from '../../helpers/jobs.js';

const gpu = { name: 'pool', value: 'gpu' };

for (const { kind, open } of jobStoreKinds) {
  describe(`JobPlaces in ${kind}`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let store: JobStore;

    beforeEach(async () => {
      opened = await open(new FakeClock());
      ({ store } = opened);
    });

    afterEach(() => opened[Symbol.asyncDispose]());

    async function add(toolInvocationId: string, count: number, platform: readonly PlatformProperty[], priority = 0) {
      const labels = { toolInvocationId, correlatedInvocationsId: '', actionMnemonic: '', targetId: '' };
      for (let index = 0; index < count; index++) {
        const job = newJob(`${toolInvocationId} ${index}`, { platformKey: platformKeyOf(platform), priority });
        await store.operations.add(job, newOperation({ labels }), 1_000);
      }
    }

    /** A bot does `count` Jobs and begins another. */
    async function serve(
      botId: string,
      count: number,
      values: Readonly<Record<string, string>> = {},
    ): Promise<string[]> {
      const offered = offering(values);
      let session = await store.sessions.open(newSession(botId, { offered }));
      const served: string[] = [];
      for (;;) {
        const claimed = await store.sessions.claim(session.name, session.revision, keepaliveMs);
        const [lease] = claimed?.leases ?? [];
        assert.ok(lease);
        served.push(lease.actionDigest.hash);
        const update = newUpdate(session.name, botId, { offered });
        await store.sessions.update({ ...update, reports: [active(lease.id)] });
        if (served.length > count) return served;
        session = await store.sessions.update({ ...update, reports: [done(lease.id)] });
      }
    }

    it('start an idle platform level with the one most like it, not with what all bots have come to', async () => {
      await add('gpu', 5, [gpu]);
      await add('patient', 3, [{ name: 'pool', value: 'cpu' }], 100);
      // Each of these moves the virtual time on by seven.
      await serve('cpu bot', 2, { pool: 'cpu' });

      await add('other gpu', 1, [gpu, { name: 'image', value: 'b' }]);

      const other = newJob('other gpu 0').actionDigest.hash;
      const served = await serve('gpu bot', 2, { pool: 'gpu', image: 'b' });
      assert.ok(served.includes(other), String(served.indexOf(other)));
    });
  });
}
