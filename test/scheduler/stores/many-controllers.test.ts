import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { silentLogger } from '../../../src/common/logger.js';
import type { Session } from '../../../src/scheduler/job-store.js';
import { SqlJobStore } from '../../../src/scheduler/stores/sql-job-store.js';
import type { Database } from '../../../src/sql/database.js';
import { openDatabase } from '../../../src/sql/open-database.js';
import { Dice } from '../../helpers/chance.js';
import { hasCode } from '../../helpers/has-code.js';
import { done, keepaliveMs, newJob, newOperation, newSession, newUpdate, stdoutOf } from '../../helpers/jobs.js';
import { PostgresServer } from '../../helpers/postgres.js';

const count = 40;

/** What is done by two controllers, in turns, at the same time. */
async function atOnce<T>(task: (index: number) => Promise<T>, times = count): Promise<T[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => task(index)));
}

describe('SqlJobStore of two controllers over one PostgreSQL database', function () {
  this.timeout(60_000);
  const databases: Database[] = [];
  let stores: SqlJobStore[];

  const storeOf = (index: number): SqlJobStore => stores[index % stores.length]!;

  const add = (index: number, name: string) => storeOf(index).operations.add(newJob(name), newOperation(), 10_000);

  const claim = (index: number, { name, revision }: Session) =>
    storeOf(index).sessions.claim(name, revision, keepaliveMs);

  const find = (index: number, id: string) => storeOf(index).operations.find(id);

  beforeEach(async () => {
    const url = await (await PostgresServer.shared()).createDatabase();
    for (let each = 0; each < 2; each += 1) databases.push(await openDatabase(url, { logger: silentLogger }));
    stores = await Promise.all(databases.map((database) => SqlJobStore.open({ database })));
  });

  afterEach(async () => {
    for (const database of databases.splice(0)) await database[Symbol.asyncDispose]();
  });

  it('makes one job of all that ask for the same action at the same time (EX-7)', async () => {
    const dice = new Dice('racing adds');
    const operations = await atOnce((index) => add(index, `action ${dice.int(0, 4)}`), 100);

    const actions = new Set(operations.map(({ actionDigest }) => actionDigest.key));
    const jobs = new Set(operations.map(({ jobId }) => jobId));
    assert.equal(jobs.size, actions.size);
    assert.equal(new Set(operations.map(({ id }) => id)).size, 100);
  });

  it('leases each job once, however many bots ask both controllers', async () => {
    const operations = await atOnce((index) => add(index, `job ${index}`));
    const sessions = await atOnce((index) => storeOf(index).sessions.open(newSession(`bot ${index}`)));

    const claimed: string[] = [];
    let idle = sessions.map((session, index) => ({ session, index }));
    // A claim passes over what another has locked, so that it may find nothing at first.
    while (idle.length > 0) {
      const given = await Promise.all(idle.map(({ session, index }) => claim(index + 1, session)));
      claimed.push(...given.flatMap((session) => session?.leases.map((lease) => lease.actionDigest.key) ?? []));
      idle = idle.filter((_, place) => !given[place]);
    }

    assert.deepEqual(claimed.sort(), operations.map(({ actionDigest }) => actionDigest.key).sort());
  });

  it('leases and ends each job once while more come in', async () => {
    const operationIds: string[] = [];
    let isAdding = true;
    const adding = atOnce(async (index) => {
      for (let round = 0; round < 5; round += 1) operationIds.push((await add(index, `${index}.${round}`)).id);
    }, 8).finally(() => (isAdding = false));
    let ended = 0;
    const working = atOnce(async (index) => {
      const botId = `bot ${index}`;
      let session = await storeOf(index).sessions.open(newSession(botId));
      while (isAdding || ended < operationIds.length) {
        const claimed = await claim(index, session);
        if (!claimed) continue;
        const reports = claimed.leases.map(({ id }) => done(id, botId));
        session = await storeOf(index + 1).sessions.update(newUpdate(session.name, botId, { reports }));
        ended += 1;
      }
    }, 8);
    await Promise.all([adding, working]);

    const ends = await Promise.all(operationIds.map((id, index) => find(index, id)));
    assert.equal(ended, operationIds.length);
    for (const operation of ends) assert.match(stdoutOf(operation!), /^bot \d$/);
  });

  it('lets only the lease in force end a job, whichever controller hears of it first (D7)', async () => {
    const operation = await add(0, 'fenced');
    const slow = await storeOf(0).sessions.open(newSession('slow'));
    const late = (await claim(0, slow))!.leases[0]!.id;
    // The slow bot hangs up, so that another gets the job, and reports nevertheless.
    await storeOf(0).sessions.hangUp(slow.name, slow.revision, keepaliveMs);
    const quick = await storeOf(1).sessions.open(newSession('quick'));
    const inForce = (await claim(1, quick))!.leases[0]!.id;

    await Promise.all([
      storeOf(0).sessions.update(newUpdate(slow.name, 'slow', { reports: [done(late, 'slow')] })),
      storeOf(1).sessions.update(newUpdate(quick.name, 'quick', { reports: [done(inForce, 'quick')] })),
      storeOf(1).sessions.update(newUpdate(slow.name, 'slow', { reports: [done(inForce, 'forged')] })),
    ]);

    assert.equal(stdoutOf((await find(0, operation.id))!), 'quick');
  });

  it('admits to a full queue no more than each controller had room for', async () => {
    const limit = 20;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        storeOf(index).operations.add(newJob(`job ${index}`), newOperation(), limit),
      ),
    );

    const admitted = outcomes.filter(({ status }) => status === 'fulfilled').length;
    assert.ok(admitted >= limit && admitted <= stores.length * limit, String(admitted));
    for (const [index, store] of stores.entries()) {
      const late = store.operations.add(newJob(`late ${index}`), newOperation(), limit);
      await assert.rejects(late, hasCode(Code.ResourceExhausted));
    }
  });

  it('answers alike on both controllers when a client cancels while a bot reports (OP-4)', async () => {
    const ends = await atOnce(async (index) => {
      const operation = await add(index, `cancelled ${index}`);
      const session = await storeOf(index).sessions.open(newSession(`bot ${index}`));
      const claimed = await claim(index, session);
      const reports = claimed?.leases.map(({ id }) => done(id)) ?? [];
      await Promise.all([
        storeOf(index).operations.cancel(operation.id),
        storeOf(index + 1).sessions.update(newUpdate(session.name, `bot ${index}`, { reports })),
      ]);
      return Promise.all([find(index, operation.id), find(index + 1, operation.id)]);
    }, 16);

    for (const [one, other] of ends) {
      assert.deepEqual(one, other);
      assert.ok(one?.response);
    }
  });
});
