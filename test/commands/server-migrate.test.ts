import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { jobSchema } from '../../src/scheduler/stores/job-schema.js';
import type { MigrationReport } from '../../src/server/run-migrate.js';
import { openDatabase } from '../../src/sql/open-database.js';
import { silentLogger } from '../../src/common/logger.js';
import { migrate } from '../../src/sql/migrate.js';
import type { Ended } from '../helpers/bgd-process.js';
import { BgdSite } from '../helpers/bgd-site.js';
import { PostgresServer } from '../helpers/postgres.js';

describe('bgd server migrate', function () {
  this.timeout(60_000);
  let site: BgdSite;

  beforeEach(async () => {
    site = await BgdSite.create();
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const run = (...args: string[]): Promise<Ended> => site.bgd(['server', 'migrate', ...args]).ended;

  function configOf(jobs: string, results: string): Promise<string> {
    const storage = '!lru-storage {size: 1M}';
    return site.write(
      'bgd.yml',
      `server: [!channel {port: 0}]
instances:
  - name: ''
    services:
      - !action-cache {storage: ${storage}, store: !sql-storage {connection-string: "${results}"}}
      - !execution {storage: ${storage}, data-store: !sql-data-store {connection-string: "${jobs}", automigrate: false}}
`,
    );
  }

  /** Tables of jobs as the first version had them. */
  async function makeOld(url: string): Promise<void> {
    await using database = await openDatabase(url, { logger: silentLogger });
    await migrate(database, { ...jobSchema, migrations: jobSchema.migrations.slice(0, 1) });
  }

  it('brings every database up to date, whatever automigrate says, and says so', async () => {
    const url = await (await PostgresServer.shared()).createDatabase();
    await makeOld(url);
    const config = await configOf(url, `sqlite:///${site.path('results.db')}`);

    const first = await run('--json', config);
    const again = await run(config);

    assert.equal(first.code, 0, first.stderr);
    const reports = JSON.parse(first.stdout) as readonly MigrationReport[];
    assert.deepEqual(
      reports.map(({ component, version, neededVersion, missing }) => [
        component,
        version,
        missing.length,
        neededVersion,
      ]),
      [
        [jobSchema.component, 1, jobSchema.migrations.length - 1, jobSchema.migrations.length],
        ['keyed-values', 0, 1, 1],
      ],
    );
    assert.equal(again.code, 0, again.stderr);
    assert.match(
      again.stdout,
      /^COMPONENT +VERSION +STEPS +DATABASE\njobs +\d+ +up to date +PostgreSQL at 127\.0\.0\.1/,
    );
    assert.match(again.stdout, /^keyed-values +1 +up to date +SQLite .*results\.db$/m);
  });

  it('only says what would be done, and makes no file', async () => {
    const url = await (await PostgresServer.shared()).createDatabase();
    await makeOld(url);
    const config = await configOf(url, `sqlite:///${site.path('results.db')}`);

    const first = await run('--dry-run', config);
    const second = await run('--dry-run', config);

    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^jobs +1 to \d+ +\d+ would be done/m);
    assert.equal(second.stdout, first.stdout);
    assert.equal(existsSync(site.path('results.db')), false);
  });

  it('refuses a newer schema, and says what to do (exit code 1)', async () => {
    const jobs = `sqlite:///${site.path('jobs.db')}`;
    {
      await using database = await openDatabase(jobs, { logger: silentLogger });
      const newer = { name: 'of the future', up: () => Promise.resolve() };
      await migrate(database, { ...jobSchema, migrations: [...jobSchema.migrations, newer] });
    }

    const { code, stderr } = await run(await configOf(jobs, jobs));

    assert.notEqual(code, 0);
    assert.match(stderr, /written by a newer bgd/);
  });

  it('says that there is no database', async () => {
    const config = await site.write(
      'bgd.yml',
      `server: [!channel {port: 0}]\ninstances: [{name: '', services: [!cas {storage: !lru-storage {size: 1M}}]}]\n`,
    );

    const { code, stderr } = await run(config);

    assert.notEqual(code, 0);
    assert.match(stderr, /no database: there is nothing to migrate/);
  });
});
