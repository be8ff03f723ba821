import type { Sql } from '../../sql/database.js';

/** Version 2. Published: it stays as it is. */
export async function addRanks(sql: Sql): Promise<void> {
  await addColumns(sql);
  await rankWaiting(sql);
  await replaceIndexes(sql);
  await createAttempts(sql);
  await createCounts(sql);
}

async function addColumns(sql: Sql): Promise<void> {
  await sql.schema.alterTable('jobs', (table) => {
    table.double('rank').notNullable().defaultTo(0);
    table.double('finish').notNullable().defaultTo(0);
    table.text('flow_key').notNullable().defaultTo('');
    table.text('affinity_key').nullable();
    table.bigInteger('leased_at_ms').nullable();
    table.bigInteger('started_at_ms').nullable();
  });
  await sql.schema.alterTable('bot_sessions', (table) => void table.text('affinity_key').nullable());
}

/** What waits already keeps its order, before all that comes from now on. */
async function rankWaiting(sql: Sql): Promise<void> {
  await sql.raw(`
    UPDATE jobs SET rank = places.place
    FROM (
      SELECT seq, CAST(row_number() OVER (ORDER BY priority, seq) AS double precision) / (1 + count(*) OVER ()) - 1 AS place
      FROM jobs WHERE stage < 4
    ) AS places
    WHERE jobs.seq = places.seq`);
}

async function replaceIndexes(sql: Sql): Promise<void> {
  await sql.raw('DROP INDEX jobs_waiting');
  const isWaiting = 'stage = 2 AND lease_id IS NULL';
  await sql.raw(`CREATE INDEX jobs_waiting ON jobs (platform_key, rank, seq) WHERE ${isWaiting}`);
  await sql.raw(`CREATE INDEX jobs_waiting_flow ON jobs (platform_key, flow_key, priority, seq) WHERE ${isWaiting}`);
  await sql.raw(
    `CREATE INDEX jobs_waiting_avoided ON jobs (avoided_bot_id) WHERE ${isWaiting} AND avoided_bot_id IS NOT NULL`,
  );
  await sql.raw('CREATE INDEX jobs_leased ON jobs (platform_key, finish) WHERE lease_id IS NOT NULL');
  await sql.raw('CREATE INDEX jobs_live_flow ON jobs (platform_key, flow_key, finish) WHERE stage < 4');
}

/** The history of a Job: each Lease that it had. */
async function createAttempts(sql: Sql): Promise<void> {
  await sql.schema.createTable('attempts', (table) => {
    table.text('lease_id').primary();
    table.text('job_id').notNullable().references('jobs.id').onDelete('CASCADE').index();
    table.integer('number').notNullable();
    table.text('bot_id').notNullable();
    table.text('session_name').notNullable();
    table.bigInteger('leased_at_ms').notNullable();
    table.bigInteger('started_at_ms').nullable();
    table.bigInteger('ended_at_ms').nullable();
    table.text('outcome').nullable();
    table.text('error').nullable();
  });
}

/** How many Jobs wait: the sum of what each process has added and taken away, so that none waits for another's row. */
async function createCounts(sql: Sql): Promise<void> {
  await sql.schema.createTable('waiting_counts', (table) => {
    table.text('counter').primary();
    table.bigInteger('waiting').notNullable();
  });
  await sql.raw(`
    INSERT INTO waiting_counts (counter, waiting)
    SELECT 'before', count(*) FROM jobs WHERE stage = 2 AND lease_id IS NULL`);
}
