import { rowsOf } from '../../sql/query-rows.js';
import type { Bot, StoreUpkeep } from '../job-store.js';
import { isWaiting } from './job-schema.js';
import type { SessionRow } from './job-tables.js';
import { isWaitingRow, type JobTransaction, type RunRead, type RunTransaction } from './job-transaction.js';
import { loadPlatforms } from './queue-heads.js';
import { closeSession, offeredOf } from './session-rows.js';
import { forgetJobsWithoutOperation } from './sql-operation-store.js';

/** So that no upkeep keeps everybody else waiting for long. */
const batch = 500;

/** The housekeeping of a {@link SqlJobStore}. */
export class SqlStoreUpkeep implements StoreUpkeep {
  readonly #run: RunTransaction;
  readonly #read: RunRead;

  constructor(run: RunTransaction, read: RunRead) {
    this.#run = run;
    this.#read = read;
  }

  bots(): Promise<readonly Bot[]> {
    return this.#read(async ({ sql }) => {
      const rows = await sql('bot_sessions').whereNull('closed_because').select<SessionRow[]>();
      return rows.map((row) => ({ botId: row.bot_id, sessionName: row.name, offered: offeredOf(row) }));
    });
  }

  expireSessions(): Promise<number> {
    return this.#run('expire', async (transaction) => {
      const { sql, nowMs } = transaction;
      const expired = await sql('bot_sessions')
        .whereNull('closed_because')
        .where('expires_at_ms', '<=', nowMs)
        .orderBy('expires_at_ms')
        .limit(batch)
        .select<{ name: string }[]>('name');
      const names = expired.map(({ name }) => name);
      await transaction.lockSessions(names);
      await transaction.loadLeases(names);
      // Its bot may have come while the lock was waited for.
      const dead = names
        .flatMap((name) => transaction.openSession(name) ?? [])
        .filter((session) => session.expires_at_ms <= nowMs);
      for (const session of dead) {
        closeSession(transaction, session, {
          because: 'expired: its bot did not report in time',
          lost: `bot ${JSON.stringify(session.bot_id)}: it vanished while it had the lease`,
          hasVanished: true,
        });
      }
      return dead.length;
    });
  }

  extendSessions(keepaliveMs: number): Promise<void> {
    return this.#run('extend', async ({ sql, nowMs }) => {
      const expiresAtMs = nowMs + keepaliveMs;
      const open = sql('bot_sessions').whereNull('closed_because').where('expires_at_ms', '<', expiresAtMs);
      await open.update({ expires_at_ms: expiresAtMs });
    });
  }

  queuedPlatforms(): Promise<readonly string[]> {
    return this.#read(loadPlatforms);
  }

  failQueued(platformKey: string, waitedMs: number, response: Uint8Array): Promise<number> {
    return this.#run('fail', async (transaction) => {
      const { sql, nowMs } = transaction;
      const found = await sql('jobs')
        .whereRaw(isWaiting)
        .where({ platform_key: platformKey })
        .where('queued_at_ms', '<=', nowMs - waitedMs)
        .limit(batch)
        .select<{ id: string }[]>('id');
      const values = found.map(({ id }) => id);
      const jobs = (await transaction.lockJobs({ column: 'id', values })).filter(isWaitingRow);
      for (const job of jobs) transaction.complete(job, response);
      return jobs.length;
    });
  }

  prune(retentionMs: number): Promise<number> {
    return this.#run('prune', async (transaction) => {
      const { sql, nowMs } = transaction;
      const before = nowMs - retentionMs;
      const operations = await sql('operations')
        .join('jobs', 'jobs.id', 'operations.job_id')
        .where('jobs.completed_at_ms', '<=', before)
        .orWhere('operations.cancelled_at_ms', '<=', before)
        .limit(batch)
        .select<{ id: string; job_id: string }[]>('operations.id', 'operations.job_id');
      const ids = operations.map(({ id }) => id);
      const jobIds = operations.map(({ job_id: jobId }) => jobId);
      await sql('operations').whereIn('id', ids).delete();
      await forgetJobsWithoutOperation(transaction, jobIds);
      await sql('bot_sessions').where('closed_at_ms', '<=', before).delete();
      await sql('killing_actions').where('since_ms', '<=', before).delete();
      await sumUpCounts(transaction);
      return operations.length;
    });
  }
}

/** Counters of processes that are gone would be added up for ever. One that goes on begins anew. */
async function sumUpCounts({ sql }: JobTransaction): Promise<void> {
  const gone = await rowsOf<{ waiting: number }>(sql, 'DELETE FROM waiting_counts RETURNING waiting');
  const waiting = gone.reduce((sum, row) => sum + row.waiting, 0);
  await rowsOf(
    sql,
    `INSERT INTO waiting_counts (counter, waiting) VALUES ('before', ?)
     ON CONFLICT (counter) DO UPDATE SET waiting = waiting_counts.waiting + excluded.waiting`,
    [waiting],
  );
}
