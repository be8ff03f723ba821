import assert from 'node:assert/strict';
import type { Database } from '../../src/sql/database.js';
import { queryRows } from '../../src/sql/query-rows.js';
import { databaseKinds } from '../helpers/database-kinds.js';

for (const { kind, open } of databaseKinds) {
  describe(`The dialect of ${kind}`, function () {
    this.timeout(60_000);
    let database: Database;

    before(async () => {
      database = await open();
    });

    after(() => database[Symbol.asyncDispose]());

    it('takes a list of texts, whatever they are', async () => {
      const texts = ["it's", '"quoted"', '{a,b}', '\\', 'é🎉', '', 'NULL', '1', '?'];
      const { from, bindings } = database.dialect.listOf({ name: texts });

      const rows = await queryRows<{ name: string }>(database, `SELECT name FROM ${from}`, bindings);

      assert.deepEqual(
        rows.map(({ name }) => name),
        texts,
      );
    });

    it('takes a list of rows, with numbers up to the largest safe one', async () => {
      const { from, bindings } = database.dialect.listOf({ name: ['a', 'b'], size: [0, Number.MAX_SAFE_INTEGER] });

      const rows = await queryRows(database, `SELECT name, size FROM ${from}`, bindings);

      assert.deepEqual(rows, [
        { name: 'a', size: 0 },
        { name: 'b', size: Number.MAX_SAFE_INTEGER },
      ]);
    });

    it('tells the time in whole milliseconds, the same everywhere in a statement', async () => {
      const { nowMs } = database.dialect;

      const [row] = await queryRows<{ one: number; two: number }>(database, `SELECT ${nowMs} AS one, ${nowMs} AS two`);

      assert.ok(Number.isInteger(row!.one) && Math.abs(row!.one - Date.now()) < 60_000);
      assert.equal(row!.one, row!.two);
    });

    it('names the tables that are there', async () => {
      await database.statement((sql) => sql.schema.createTable('things', (table) => void table.integer('n')));

      assert.deepEqual(await database.statement((sql) => database.dialect.tables(sql)), ['things']);
    });
  });
}
