import type { Knex } from 'knex';
import type { Dialect } from './dialect.js';

/** What statements are built with, and run by. `raw` resolves to the rows that a statement returns. */
export type Sql = Knex;

/** A database that stores keep their tables in. */
export interface Database extends AsyncDisposable {
  readonly dialect: Dialect;

  /**
   * Runs `work` in a transaction, which it may share with others that arrive at the same time. Durable when it resolves;
   * undone when it rejects. `work` must await nothing but statements, one after the other: everybody waits for it. It is
   * run again when the database ends the transaction for the sake of others.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;

  /**
   * Runs statements that change nothing. They see only what is durable, and wait for nobody's commit but one that is under
   * way.
   */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T>;

  /** Runs one statement, which is a transaction by itself: it saves the journeys of a {@link transaction} to a server. */
  statement<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}
