import type { Knex } from 'knex';
import type { Clock } from '../common/clock.js';

/** What a column of a table holds. Bytes come in a list as the text of their hexadecimal digits. */
export type ColumnType = 'text' | 'integer' | 'bigint' | 'double' | 'boolean' | 'bytes';

/** A column of a list whose values may be null, so that they do not tell their type. */
export interface TypedColumn {
  readonly type: ColumnType;
  readonly values: readonly (string | number | boolean | null)[];
}

/** A column of a list that a statement is given. */
export type ListColumn = readonly string[] | readonly number[] | TypedColumn;

/** Whether a column says itself of what type it is. */
export function isTyped(column: ListColumn): column is TypedColumn {
  return !Array.isArray(column);
}

/** A list as part of a statement: what stands after FROM, named `list`, and what its question marks stand for. */
export interface ListOfRows {
  readonly from: string;
  readonly bindings: readonly unknown[];
}

/** A statement, and what its question marks stand for; its text has no others. */
export interface Statement {
  readonly text: string;
  readonly bindings: readonly unknown[];
}

/**
 * What databases say differently. Whatever they say alike stands in the statements of the stores themselves: upserts,
 * RETURNING, windows, indexes over a part of a table.
 */
export interface Dialect {
  readonly name: 'sqlite' | 'postgresql';
  /** Names what a person is to use instead of a database that does not do. */
  readonly anotherPlace: string;
  /** The type of a column of bytes. */
  readonly bytesType: string;
  /** One value of a type: what its question mark stands in. */
  readonly valueOf: (type: ColumnType) => string;
  /** The bytes that a text of hexadecimal digits stands for. */
  readonly bytesOf: (hex: string) => string;
  /** The type of a column of texts that are compared byte by byte. */
  readonly keyType: string;
  /** The database's clock, in milliseconds since the epoch: the same moment everywhere in one statement. */
  readonly nowMs: string;
  /**
   * The time that deadlines go by, in milliseconds since the epoch: the database's, so that the clocks of two machines are
   * never compared. SQLite runs in this process, whose `clock` it is then.
   */
  readonly timeOf: (sql: Knex, clock: Clock) => Promise<number>;
  /** Whether other processes may change the tables at the same time. */
  readonly isShared: boolean;
  /** Ends a SELECT of rows that are about to be changed; with an ORDER BY no two changes wait for each other in a ring. */
  readonly lockRows: string;
  /** As {@link lockRows}, but leaves out rows that somebody else has locked. */
  readonly lockFreeRows: string;

  /** A list of rows, given by its columns, all of one length. It is one parameter a column, however long it is. */
  readonly listOf: (columns: Readonly<Record<string, ListColumn>>) => ListOfRows;

  /** Returns the rows of a SELECT of `columns`, none of which is of bytes: cheaply where they are many. */
  readonly select: <Row>(sql: Knex, columns: readonly string[], statement: Statement) => Promise<Row[]>;

  /** Runs statements whose rows nobody wants, one after the other. */
  readonly runAll: (sql: Knex, statements: readonly Statement[]) => Promise<void>;

  /** The condition that a column of texts has one of the values of a list. */
  readonly isIn: (column: string, values: readonly string[]) => Statement;

  /** Names the tables that are there, the database's own left out. */
  readonly tables: (sql: Knex) => Promise<readonly string[]>;

  /** Lets one transaction after the other change the schema, also of different processes. */
  readonly lockSchema: (sql: Knex) => Promise<void>;
}
