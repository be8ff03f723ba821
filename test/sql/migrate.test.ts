import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import type { Database, Sql } from '../../src/sql/database.js';
import { migrate, type Migration } from '../../src/sql/migrate.js';
import { silentLogger } from '../../src/common/logger.js';
import { openDatabase } from '../../src/sql/open-database.js';
import { databaseKinds } from '../helpers/database-kinds.js';
import { PostgresServer } from '../helpers/postgres.js';

const step = (name: string): Migration => ({
  name,
  up: (sql: Sql) => sql.schema.createTable(name, (table) => void table.integer('n')),
});

const broken: Migration = {
  name: 'broken',
  up: async (sql) => {
    await sql.schema.createTable('half', (table) => void table.integer('n'));
    throw new Error('out of ideas');
  },
};

for (const { kind, open } of databaseKinds)
  describe(`migrate on ${kind}`, () => {
    let database: Database;

    beforeEach(async function () {
      this.timeout(60_000);
      database = await open();
    });

    afterEach(() => database[Symbol.asyncDispose]());

    const to = (migrations: Migration[], automigrate?: boolean): Promise<void> =>
      migrate(database, { component: 'things', migrations }, automigrate === undefined ? {} : { automigrate });
    const hasTable = (name: string): Promise<boolean> => database.transaction((sql) => sql.schema.hasTable(name));

    it('makes a new database, also without automigrate', async () => {
      await to([step('first'), step('second')], false);

      assert.ok(await hasTable('second'));
    });

    it('takes only the steps that are new', async () => {
      await to([step('first')]);

      await to([step('first'), step('second')]);

      assert.ok(await hasTable('second'));
    });

    it('keeps several components apart', async () => {
      await to([step('first')]);

      await migrate(database, { component: 'others', migrations: [step('other')] });

      assert.ok(await hasTable('other'));
    });

    it('leaves nothing of a step that fails', async () => {
      await to([step('first')]);

      await assert.rejects(to([step('first'), step('second'), broken]), /out of ideas/);

      assert.equal(await hasTable('second'), false);
      assert.equal(await hasTable('half'), false);
    });

    it('refuses a schema that is newer than it knows', async () => {
      await to([step('first'), step('second')]);

      await assert.rejects(to([step('first')]), {
        code: Code.FailedPrecondition,
        message: /version 2 of the things schema, and this bgd knows 1: it was written by a newer bgd/,
      });
    });

    it('refuses an older schema when it may not migrate', async () => {
      await to([step('first')]);

      await assert.rejects(to([step('first'), step('second')], false), {
        code: Code.FailedPrecondition,
        message: /version 1 of the things schema, and this bgd needs 2: .*automigrate/,
      });
    });

    it("refuses BuildGrid's own tables", async () => {
      await database.transaction((sql) => sql.schema.createTable('alembic_version', (table) => void table.text('v')));

      await assert.rejects(to([step('first')]), { code: Code.FailedPrecondition, message: /BuildGrid's own tables/ });
    });

    it('refuses the tables of another program', async () => {
      await database.transaction((sql) => sql.schema.createTable('bookmarks', (table) => void table.text('v')));

      await assert.rejects(to([step('first')]), { code: Code.FailedPrecondition, message: /\(bookmarks\)/ });
    });
  });

describe('migrate of two servers that start at once', () => {
  it('takes each step once', async function () {
    this.timeout(60_000);
    const url = await (await PostgresServer.shared()).createDatabase();
    await using first = await openDatabase(url, { logger: silentLogger });
    await using second = await openDatabase(url, { logger: silentLogger });
    const schema = { component: 'things', migrations: [step('first'), step('second')] };

    await Promise.all([first, second, first, second].map((database) => migrate(database, schema)));

    const versions = await first.statement((sql) => sql('bgd_schema_versions').orderBy('version').pluck('name'));
    assert.deepEqual(versions, ['first', 'second']);
  });
});
