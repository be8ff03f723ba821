import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { jobSchema } from '../../../src/scheduler/stores/job-schema.js';
import { SqlJobStore } from '../../../src/scheduler/stores/sql-job-store.js';
import type { Database } from '../../../src/sql/database.js';
import { migrate } from '../../../src/sql/migrate.js';
import { databaseKinds } from '../../helpers/database-kinds.js';
import { hasCode } from '../../helpers/has-code.js';
import {
  actionNamed,
  done,
  keepaliveMs,
  newJob,
  newOperation,
  newSession,
  newUpdate,
  stdoutOf,
} from '../../helpers/jobs.js';

const now = Date.now();

const jobRow = (name: string, more: object = {}) => ({
  id: `job ${name}`,
  action_digest: String(actionNamed(name)),
  platform_key: '[]',
  priority: 0,
  is_cacheable: true,
  shared_key: actionNamed(name).key,
  stage: Stage.Queued,
  queued_at_ms: now,
  ready_at_ms: now,
  ...more,
});

const operationRow = (name: string) => ({
  id: `operation ${name}`,
  job_id: `job ${name}`,
  instance_name: 'main',
  hints: '{}',
  tool_invocation_id: '',
  correlated_invocations_id: '',
  action_mnemonic: '',
  target_id: '',
});

/** What the first version of the schema wrote: three Jobs wait, a bot has one, one is over. */
async function fillFirstVersion(database: Database): Promise<void> {
  await migrate(database, { ...jobSchema, migrations: jobSchema.migrations.slice(0, 1) });
  await database.transaction(async (sql) => {
    const over = { stage: Stage.Completed, shared_key: null, completed_at_ms: now, response: Buffer.from([]) };
    const jobs = [
      jobRow('late'),
      jobRow('least', { priority: 7 }),
      jobRow('urgent', { priority: -3 }),
      jobRow('leased', { lease_id: 'lease', stage: Stage.Executing }),
      jobRow('over', over),
    ];
    for (const row of jobs) await sql('jobs').insert({ lease_id: null, completed_at_ms: null, response: null, ...row });
    for (const name of ['late', 'least', 'urgent', 'leased', 'over'])
      await sql('operations').insert(operationRow(name));
    const bot = { name: 'session', parent: 'main', bot_id: 'old', revision: 1, is_accepting: true };
    const offered = JSON.stringify({ values: {}, wildcards: [] });
    await sql('bot_sessions').insert({ ...bot, offered, expires_at_ms: now + 1_000_000 });
    const held = { id: 'lease', job_id: 'job leased', session_name: 'session', state: 2, is_reported: true, offers: 1 };
    await sql('leases').insert(held);
  });
}

for (const { kind, open } of databaseKinds) {
  describe(`SqlJobStore on ${kind} with the tables of an older version`, function () {
    this.timeout(60_000);
    let database: Database;
    let store: SqlJobStore;

    beforeEach(async () => {
      database = await open();
      await fillFirstVersion(database);
      store = await SqlJobStore.open({ database });
    });

    afterEach(() => database[Symbol.asyncDispose]());

    async function claimedNext(botId: string): Promise<string | undefined> {
      const { name, revision } = await store.sessions.open(newSession(botId));
      const claimed = await store.sessions.claim(name, revision, keepaliveMs);
      return claimed?.leases[0]?.actionDigest.hash;
    }

    it('hands out what waited in the order that it had, before what comes now and is no more urgent', async () => {
      await store.operations.add(newJob('new'), newOperation(), 1_000);

      const order = [];
      for (const botId of ['a', 'b', 'c', 'd', 'e']) order.push(await claimedNext(botId));

      const expected = ['urgent', 'late', 'least', 'new'].map((name) => actionNamed(name).hash);
      assert.deepEqual(order, [...expected, undefined]);
    });

    it('takes the result of a lease that was given out before', async () => {
      await store.sessions.update(newUpdate('session', 'old', { reports: [done('lease', 'at last')] }));

      assert.equal(stdoutOf((await store.operations.find('operation leased'))!), 'at last');
    });

    it('finds what was over, and shares what is in flight', async () => {
      const found = await store.operations.find('operation over');
      const joined = await store.operations.add(newJob('late'), newOperation(), 1_000);

      assert.equal(found?.stage, Stage.Completed);
      assert.equal(joined.jobId, 'job late');
    });

    it('counts what waited against the limit of the queue', async () => {
      await assert.rejects(
        store.operations.add(newJob('too many'), newOperation(), 3),
        hasCode(Code.ResourceExhausted),
      );

      assert.ok(await store.operations.add(newJob('just in'), newOperation(), 4));
    });

    it('is refused by the version that wrote it', async () => {
      const older = { ...jobSchema, migrations: jobSchema.migrations.slice(0, 1) };

      await assert.rejects(migrate(database, older), { code: Code.FailedPrecondition, message: /newer bgd/ });
    });
  });
}
