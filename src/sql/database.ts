import type { Knex } from 'knex';

/** What statements are built with, inside of a transaction. */
export type Sql = Knex;

/** A database that stores keep their tables in. */
export interface Database extends AsyncDisposable {
  /**
   * Runs `work` in a transaction, which it may share with others that arrive at the same time. Durable when it resolves;
   * undone when it rejects. `work` must await nothing but statements: everybody waits for it.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}
