import { rowsOf } from '../../sql/query-rows.js';
import type { UnwatchedEnd, WatchStore } from '../job-store.js';
import type { JobTransaction, RunTransaction } from './job-transaction.js';
import { cancelOperations } from './sql-operation-store.js';

/** So that no upkeep keeps everybody else waiting for long. */
const batch = 500;

/**
 * Until when the Operations may go on that are cancelled when nobody watches them: a row each in `watches`, which goes when
 * its time is over. The locks of these rows are taken in the order of their keys, or not waited for.
 */
export class SqlWatchStore implements WatchStore {
  readonly #run: RunTransaction;

  constructor(run: RunTransaction) {
    this.#run = run;
  }

  extend(operationIds: readonly string[], forMs: number): Promise<void> {
    return this.#run('watch', async ({ sql, dialect, nowMs }) => {
      const { from, bindings } = dialect.listOf({ wanted: operationIds });
      await rowsOf(
        sql,
        `INSERT INTO watches (operation_id, until_ms)
         SELECT wanted, ${dialect.valueOf('bigint')} FROM ${from} WHERE true ORDER BY wanted
         ON CONFLICT (operation_id) DO UPDATE SET until_ms = excluded.until_ms`,
        [nowMs + forMs, ...bindings],
      );
    });
  }

  extendAll(forMs: number): Promise<void> {
    return this.#run('watch-all', async ({ sql, nowMs }) => {
      const untilMs = nowMs + forMs;
      await sql('watches').where('until_ms', '<', untilMs).update({ until_ms: untilMs });
    });
  }

  cancelUnwatched(): Promise<UnwatchedEnd> {
    return this.#run('cancel-unwatched', async (transaction) => {
      const ids = await takeLapsed(transaction);
      return { cancelled: await cancelOperations(transaction, ids), hasMore: ids.length === batch };
    });
  }
}

/** Whoever is watched again at this moment holds the lock, and goes on. */
async function takeLapsed({ sql, dialect, nowMs }: JobTransaction): Promise<readonly string[]> {
  const rows = await rowsOf<{ operation_id: string }>(
    sql,
    `SELECT operation_id FROM watches WHERE until_ms <= ? ORDER BY until_ms LIMIT ${batch} ${dialect.lockFreeRows}`,
    [nowMs],
  );
  const ids = rows.map((row) => row.operation_id);
  const { text, bindings } = dialect.isIn('operation_id', ids);
  if (ids.length > 0) await rowsOf(sql, `DELETE FROM watches WHERE ${text}`, bindings);
  return ids;
}
