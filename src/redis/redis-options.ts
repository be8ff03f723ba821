/** Where a Redis or Valkey server is and how to be let in. */
export interface RedisOptions {
  readonly host: string;
  readonly port: number;
  readonly password?: string | undefined;
  /** Number of the database. @defaultValue 0 */
  readonly db?: number | undefined;
}
