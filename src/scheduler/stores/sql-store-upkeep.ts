import type { Bot, StoreUpkeep } from '../job-store.js';
import { platformsQuery } from './claim-job.js';
import { isWaiting } from './job-schema.js';
import { closeSession, offeredOf, type SessionRow } from './session-rows.js';
import type { RunTransaction } from './job-transaction.js';
import { forgetJobsWithoutOperation } from './sql-operation-store.js';

/** So that no upkeep keeps everybody else waiting for long. */
const batch = 500;

/** The housekeeping of a {@link SqlJobStore}. */
export class SqlStoreUpkeep implements StoreUpkeep {
  readonly #run: RunTransaction;

  constructor(run: RunTransaction) {
    this.#run = run;
  }

  bots(): Promise<readonly Bot[]> {
    return this.#run(async ({ sql }) => {
      const rows = await sql('bot_sessions').whereNull('closed_because').select<SessionRow[]>();
      return rows.map((row) => ({ botId: row.bot_id, sessionName: row.name, offered: offeredOf(row) }));
    });
  }

  expireSessions(): Promise<number> {
    return this.#run(async (transaction) => {
      const { sql, nowMs } = transaction;
      const expired = await sql('bot_sessions')
        .whereNull('closed_because')
        .where('expires_at_ms', '<=', nowMs)
        .orderBy('expires_at_ms')
        .limit(batch)
        .forUpdate()
        .select<SessionRow[]>();
      for (const session of expired) {
        await closeSession(transaction, session, {
          because: 'expired: its bot did not report in time',
          lost: `bot ${JSON.stringify(session.bot_id)}: it vanished while it had the lease`,
        });
      }
      return expired.length;
    });
  }

  extendSessions(keepaliveMs: number): Promise<void> {
    return this.#run(async ({ sql, nowMs }) => {
      const expiresAtMs = nowMs + keepaliveMs;
      const open = sql('bot_sessions').whereNull('closed_because').where('expires_at_ms', '<', expiresAtMs);
      await open.update({ expires_at_ms: expiresAtMs });
    });
  }

  queuedPlatforms(): Promise<readonly string[]> {
    return this.#run(async ({ sql }) => {
      const rows = await sql.raw<{ platform_key: string }[]>(platformsQuery);
      return rows.map(({ platform_key: platformKey }) => platformKey);
    });
  }

  failQueued(platformKey: string, waitedMs: number, response: Uint8Array): Promise<number> {
    return this.#run(async (transaction) => {
      const { sql, nowMs } = transaction;
      const jobs = await sql('jobs')
        .whereRaw(isWaiting)
        .where({ platform_key: platformKey })
        .where('queued_at_ms', '<=', nowMs - waitedMs)
        .limit(batch)
        .forUpdate()
        .select<{ id: string }[]>('id');
      for (const { id } of jobs) await transaction.complete(id, response);
      return jobs.length;
    });
  }

  prune(retentionMs: number): Promise<number> {
    return this.#run(async (transaction) => {
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
      return operations.length;
    });
  }
}
