import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Database, Sql } from './database.js';
import type { Dialect } from './dialect.js';

/** One step of a schema. A published one never changes: what is wrong with it is mended by the next. */
export interface Migration {
  /** What it makes or changes, for whoever reads the table of versions. */
  readonly name: string;
  up(sql: Sql, dialect: Dialect): Promise<void>;
}

/** The schema of one component that keeps tables in a database: version n is reached by the first n migrations. */
export interface Schema {
  readonly component: string;
  readonly migrations: readonly Migration[];
}

/** What {@link migrate} is told. */
export interface MigrateOptions {
  /** Whether an older schema is brought up to date; a new database always gets one. @defaultValue true */
  readonly automigrate?: boolean;
}

/** What a database has of a component's tables, and what this program needs. */
export interface SchemaState {
  readonly component: string;
  /** 0 where there are none yet. */
  readonly version: number;
  /** The steps that are missing, in their order. */
  readonly missing: readonly string[];
}

const versions = 'bgd_schema_versions';

/**
 * Brings the tables of a component to the version that this program knows, all steps in one transaction; of several servers that start at once
 * one does it. Throws
 * FAILED_PRECONDITION for a newer schema, for an older one without `automigrate`, and for tables of somebody else.
 */
export async function migrate(
  database: Database,
  schema: Schema,
  { automigrate = true }: MigrateOptions = {},
): Promise<void> {
  const { component, migrations } = schema;
  const { dialect } = database;
  await database.transaction(async (sql) => {
    await dialect.lockSchema(sql);
    await makeVersions(sql, dialect);
    const found = await currentVersion(sql, schema, dialect);
    if (found > 0 && found < migrations.length && !automigrate) throw tooOld(schema, found);
    for (const [index, step] of migrations.entries()) {
      if (index < found) continue;
      await step.up(sql, dialect);
      await sql(versions).insert({ component, version: index + 1, name: step.name, applied_at_ms: Date.now() });
    }
  });
}

/** Says how far a component's tables are, and changes nothing. Throws as {@link migrate} does for what it cannot use. */
export async function schemaState(database: Database, schema: Schema): Promise<SchemaState> {
  const { component, migrations } = schema;
  const version = await database.transaction((sql) => currentVersion(sql, schema, database.dialect));
  return { component, version, missing: migrations.slice(version).map(({ name }) => name) };
}

async function makeVersions(sql: Sql, dialect: Dialect): Promise<void> {
  if (await sql.schema.hasTable(versions)) return;
  await refuseStrangers(sql, dialect);
  await sql.schema.createTable(versions, (table) => {
    table.text('component').notNullable();
    table.integer('version').notNullable();
    table.text('name').notNullable();
    table.bigInteger('applied_at_ms').notNullable();
    table.primary(['component', 'version']);
  });
}

async function currentVersion(sql: Sql, schema: Schema, dialect: Dialect): Promise<number> {
  const { component, migrations } = schema;
  if (!(await sql.schema.hasTable(versions))) {
    await refuseStrangers(sql, dialect);
    return 0;
  }
  const [row] = await sql(versions).where({ component }).max<{ version: number | null }[]>({ version: 'version' });
  const found = row?.version ?? 0;
  if (found > migrations.length) throw tooNew(schema, found, dialect);
  return found;
}

/** A database with tables, none of which is ours, was meant for another program. */
async function refuseStrangers(sql: Sql, { tables, anotherPlace }: Dialect): Promise<void> {
  const names = new Set(await tables(sql));
  if (names.size === 0) return;
  if (names.has('alembic_version') || names.has('platform_requirements')) {
    throw new StatusError(
      Code.FailedPrecondition,
      `The database holds BuildGrid's own tables, which bgd does not read: name ${anotherPlace}; finished jobs are not carried over, the CAS and its blobs are`,
    );
  }
  const found = [...names].slice(0, 3).join(', ');
  throw new StatusError(
    Code.FailedPrecondition,
    `The database holds tables of another program (${found}): name ${anotherPlace}`,
  );
}

function tooNew({ component, migrations }: Schema, found: number, { anotherPlace }: Dialect): StatusError {
  return new StatusError(
    Code.FailedPrecondition,
    `The database has version ${found} of the ${component} schema, and this bgd knows ${migrations.length}: it was written by a newer bgd; use that one, or ${anotherPlace}`,
  );
}

function tooOld({ component, migrations }: Schema, found: number): StatusError {
  return new StatusError(
    Code.FailedPrecondition,
    `The database has version ${found} of the ${component} schema, and this bgd needs ${migrations.length}: make a copy of it, then run bgd server migrate, or start with automigrate: true`,
  );
}
