import assert from 'node:assert/strict';
import { silentLogger } from '../../../src/common/logger.js';
import { SqlJobStore } from '../../../src/scheduler/stores/sql-job-store.js';
import type { Database } from '../../../src/sql/database.js';
import { openDatabase } from '../../../src/sql/open-database.js';
import { active, done, keepaliveMs, newJob, newOperation, newSession, newUpdate } from '../../helpers/jobs.js';
import { PostgresServer } from '../../helpers/postgres.js';

describe('SqlJobInspection of two controllers over one PostgreSQL database', function () {
  this.timeout(60_000);
  const databases: Database[] = [];
  let here: SqlJobStore;
  let there: SqlJobStore;

  beforeEach(async () => {
    const url = await (await PostgresServer.shared()).createDatabase();
    for (let each = 0; each < 2; each += 1) databases.push(await openDatabase(url, { logger: silentLogger }));
    [here, there] = (await Promise.all(databases.map((database) => SqlJobStore.open({ database })))) as [
      SqlJobStore,
      SqlJobStore,
    ];
  });

  afterEach(async () => {
    for (const database of databases.splice(0)) await database[Symbol.asyncDispose]();
  });

  it('gives a bot nothing that is drained by one controller while it connects to the other', async () => {
    await there.operations.add(newJob('a'), newOperation(), 10);
    for (let round = 0; round < 30; round += 1) {
      const botId = `bot ${round}`;
      await there.sessions.open(newSession(botId));

      const [isKnown, session] = await Promise.all([
        here.inspection.drain({ parent: 'main', botId }, true),
        there.sessions.open(newSession(botId)),
      ]);

      assert.equal(isKnown, true);
      const claimed = await there.sessions.claim(session.name, session.revision, keepaliveMs);
      assert.equal(claimed, undefined, `Bot ${round} was given a job`);
    }
  });

  it('takes a job away by one controller from a bot of the other, be it that the bot is just done', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { id } = await here.operations.add(newJob(`job ${round}`), newOperation(), 10);
      const session = await there.sessions.open(newSession('bot'));
      const claimed = await there.sessions.claim(session.name, session.revision, keepaliveMs);
      const leaseId = claimed!.leases[0]!.id;
      await there.sessions.update(newUpdate(session.name, 'bot', { reports: [active(leaseId)] }));

      const [outcome] = await Promise.all([
        here.inspection.requeue(id),
        there.sessions.update(newUpdate(session.name, 'bot', { reports: [done(leaseId)] })),
      ]);

      const details = await here.inspection.describe(id);
      const [attempt] = details!.attempts;
      const expected = outcome === 'requeued' ? ['requeued', undefined] : ['completed', 'has a response'];
      assert.deepEqual([attempt?.outcome, details?.operation.response && 'has a response'], expected);
      await here.operations.cancel(id);
    }
  });
});
