import { randomUUID } from 'node:crypto';
import { Code } from '../../../common/code.js';
import { StatusError } from '../../../common/status-error.js';
import type { Database } from '../../../sql/database.js';
import { queryRows } from '../../../sql/query-rows.js';
import { leastAgeMs } from './blob-removals.js';

/** Longer than a batch of a cleanup may take. */
const holdMs = 120_000;

/**
 * Lets one process at a time clean up an index: two would both remove what is too much. Who holds it has to say so again
 * with each batch, so that a process that dies does not keep the others out for long.
 */
export class IndexUpkeep {
  readonly #database: Database;
  readonly #holder = randomUUID();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Throws ABORTED while another process holds it. */
  async hold(): Promise<void> {
    const { nowMs } = this.#database.dialect;
    const statement = `
      INSERT INTO blob_index_upkeep AS known (id, holder, held_until_ms, refilled_at_ms)
      SELECT 1, ?, ${nowMs} + ${holdMs}, 0 WHERE true
      ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, held_until_ms = excluded.held_until_ms
      WHERE known.holder = excluded.holder OR known.held_until_ms < ${nowMs}
      RETURNING holder`;
    const [row] = await queryRows(this.#database, statement, [this.#holder]);
    if (!row) throw new StatusError(Code.Aborted, 'Another process is cleaning up this index: let it finish first');
  }

  /** Lets others in. */
  async release(): Promise<void> {
    const statement = 'UPDATE blob_index_upkeep SET held_until_ms = 0 WHERE holder = ?';
    await queryRows(this.#database, statement, [this.#holder]);
  }

  /** Remembers that last uses are not known for what clients were promised until now. */
  async noteRefill(): Promise<void> {
    const { nowMs } = this.#database.dialect;
    const statement = `UPDATE blob_index_upkeep SET refilled_at_ms = ${nowMs} WHERE holder = ?`;
    await queryRows(this.#database, statement, [this.#holder]);
  }

  /** How long it takes until every promise is over that was given before the last refill; 0 if they are. */
  async msUntilKnown(): Promise<number> {
    const { nowMs } = this.#database.dialect;
    const statement = `SELECT refilled_at_ms + ${leastAgeMs} - ${nowMs} AS ms FROM blob_index_upkeep`;
    const [row] = await queryRows<{ ms: number }>(this.#database, statement);
    return Math.max(0, row?.ms ?? 0);
  }
}
