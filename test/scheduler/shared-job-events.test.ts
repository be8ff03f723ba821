import assert from 'node:assert/strict';
import { Lifecycle } from '../../src/common/lifecycle.js';
import type { JobEvent } from '../../src/scheduler/job-events.js';
import { SharedJobEvents } from '../../src/scheduler/shared-job-events.js';
import { SqlJobStore } from '../../src/scheduler/stores/sql-job-store.js';
import { PostgresDatabase } from '../../src/sql/postgres-database.js';
import { PostgresListener } from '../../src/sql/postgres-listener.js';
import { parsePostgresUrl } from '../../src/sql/postgres-location.js';
import { active, keepaliveMs, newJob, newOperation, newSession, newUpdate, noPlatform } from '../helpers/jobs.js';
import { PostgresServer } from '../helpers/postgres.js';
import { until } from '../helpers/until.js';

/** A controller as far as its store goes, and what it heard. */
interface Controller {
  readonly store: SqlJobStore;
  readonly database: PostgresDatabase;
  readonly heard: JobEvent[];
}

describe('SharedJobEvents', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let one: Controller;
  let other: Controller;

  async function open(url: string): Promise<Controller> {
    const location = parsePostgresUrl(url);
    const database = lifecycle.use(await PostgresDatabase.open(location));
    const events = new SharedJobEvents(lifecycle.use(await PostgresListener.open(location)));
    const store = await SqlJobStore.open({ database, events });
    const heard: JobEvent[] = [];
    lifecycle.use(store.events.subscribe((event) => heard.push(event)));
    return { store, database, heard };
  }

  const add = ({ store }: Controller, name: string) => store.operations.add(newJob(name), newOperation(), 10_000);

  beforeEach(async () => {
    const url = await (await PostgresServer.shared()).createDatabase();
    one = await open(url);
    other = await open(url);
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  it('tell every controller of what one of them does, and each once', async () => {
    const { jobId, id } = await add(one, 'a');
    const session = await one.store.sessions.open(newSession('bot'));
    const claimed = await other.store.sessions.claim(session.name, session.revision, keepaliveMs);
    const reports = [active(claimed!.leases[0]!.id)];
    await other.store.sessions.update(newUpdate(session.name, 'bot', { reports }));
    await one.store.operations.cancel(id);
    // What comes after all that has brought it along.
    await add(one, 'b');
    await add(other, 'c');

    for (const { heard } of [one, other]) {
      await until(() => heard.filter(({ type }) => type === 'queued').length === 3);
      assert.deepEqual([...new Set(heard.map(kindOf))].sort(), ['queued', 'session', 'stage 3', 'stage 4']);
      for (const event of heard) {
        if (event.type === 'queued') assert.equal(event.platformKey, noPlatform);
        if (event.type === 'stage') assert.equal(event.jobId, jobId);
        if (event.type === 'session') assert.equal(event.sessionName, session.name);
      }
    }
  });

  it('let a bot look again for a job that another controller has locked and leaves', async () => {
    await add(one, 'a');
    await until(() => other.heard.length === 1);
    const { name, revision } = await other.store.sessions.open(newSession('bot'));
    let unlock: () => void = () => undefined;
    const locked = new Promise<void>((resolve) => (unlock = resolve));
    let isLocked = false;
    const locking = one.database.transaction(async (sql) => {
      await sql('jobs').forUpdate().select('id');
      isLocked = true;
      await locked;
    });
    await until(() => isLocked);

    const claimed = await other.store.sessions.claim(name, revision, keepaliveMs);
    unlock();
    await locking;

    assert.equal(claimed, undefined);
    const [, again] = other.heard;
    assert.deepEqual(again, { type: 'queued', platformKey: noPlatform, delayMs: 50 });
    assert.equal((await other.store.sessions.claim(name, revision, keepaliveMs))?.leases.length, 1);
    assert.equal(other.heard.length, 2);
    assert.equal(one.heard.length, 1);
  });

  it('say that something may have been missed when the line was lost', async () => {
    await one.database.statement((sql) =>
      sql.raw(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`),
    );

    await until(() => one.heard.length + other.heard.length === 2);
    const gaps = [...one.heard, ...other.heard];
    assert.ok(gaps.every(({ type }) => type === 'gap'));
    // The bots were heard by nobody: whoever is first gives them time.
    assert.equal(gaps.filter((event) => event.type === 'gap' && event.wasAlone).length, 1);
  });
});

function kindOf(event: JobEvent): string {
  return event.type === 'stage' ? `stage ${event.stage}` : event.type;
}
