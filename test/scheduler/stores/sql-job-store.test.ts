import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { JobStore, Operation } from '../../../src/scheduler/job-store.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { flowQuery, headsQuery } from '../../../src/scheduler/stores/queue-heads.js';
import { rowsOf } from '../../../src/sql/query-rows.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import {
  active,
  done,
  keepaliveMs,
  newJob,
  newOperation,
  newSession,
  newUpdate,
  stdoutOf,
} from '../../helpers/jobs.js';
import { jobStoreKinds } from '../../helpers/job-store-kinds.js';
import { openJobStore } from '../../helpers/open-job-store.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { describeOperationStore } from '../contract/describe-operation-store.js';
import { describeLeases } from '../contract/describe-leases.js';
import { describeQuarantine } from '../contract/describe-quarantine.js';
import { describeSessionStore } from '../contract/describe-session-store.js';
import { describeStoreUpkeep } from '../contract/describe-store-upkeep.js';
import { describeWatches } from '../contract/describe-watches.js';

for (const { kind, open } of jobStoreKinds) {
  describeOperationStore(`SqlJobStore on ${kind}`, open);
  describeSessionStore(`SqlJobStore on ${kind}`, open);
  describeLeases(`SqlJobStore on ${kind}`, open);
  describeQuarantine(`SqlJobStore on ${kind}`, open);
  describeStoreUpkeep(`SqlJobStore on ${kind}`, open);
  describeWatches(`SqlJobStore on ${kind}`, open);
}

describe('SqlJobStore', () => {
  const clock = new FakeClock();

  const add = (store: JobStore, job: string): Promise<Operation> =>
    store.operations.add(newJob(job), newOperation(), 10_000);

  it('keeps queued, executing and completed jobs and their bots in its file (D6)', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'jobs.db');
    const operations: Operation[] = [];
    let sessionName: string;
    let leaseId: string;
    {
      await using opened = await openJobStore(clock, path);
      const { store } = opened;
      for (const job of ['completed', 'executing', 'queued']) operations.push(await add(store, job));
      ({ name: sessionName } = await store.sessions.open(newSession('bot')));
      const first = await store.sessions.claim(sessionName, 1, keepaliveMs);
      const reports = [done(first!.leases[0]!.id, 'before')];
      const { revision } = await store.sessions.update(newUpdate(sessionName, 'bot', { reports }));
      const second = await store.sessions.claim(sessionName, revision, keepaliveMs);
      leaseId = second!.leases[0]!.id;
      await store.sessions.update(newUpdate(sessionName, 'bot', { reports: [active(leaseId)] }));
    }

    await using reopened = await openJobStore(clock, path);
    const { store } = reopened;
    const found = await Promise.all(operations.map(({ id }) => store.operations.find(id)));
    await store.sessions.update(newUpdate(sessionName, 'bot', { reports: [done(leaseId, 'after')] }));

    assert.deepEqual(
      found.map((operation) => operation?.stage),
      [Stage.Completed, Stage.Executing, Stage.Queued],
    );
    assert.equal(stdoutOf(found[0]!), 'before');
    assert.equal(stdoutOf((await store.operations.find(operations[1]!.id))!), 'after');
    assert.equal((await add(store, 'queued')).jobId, operations[2]!.jobId);
  });

  it('finds the next job by its index, however long the queue is', async () => {
    await using opened = await openJobStore(clock);
    const { store, database } = opened;
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => add(store, `job ${index}`)));

    const planOf = async (query: string, count: number): Promise<string[]> => {
      const bindings = Array.from({ length: count }, () => 0);
      const plan = await database.read((sql) =>
        rowsOf<{ detail: string }>(sql, `EXPLAIN QUERY PLAN ${query}`, bindings),
      );
      return plan.map(({ detail }) => detail);
    };

    assert.deepEqual(await planOf(headsQuery, 3), ['SEARCH jobs USING INDEX jobs_waiting (platform_key=?)']);
    assert.deepEqual(await planOf(flowQuery, 4), [
      'SEARCH jobs USING INDEX jobs_waiting_flow (platform_key=? AND flow_key=?)',
    ]);
  });
});
