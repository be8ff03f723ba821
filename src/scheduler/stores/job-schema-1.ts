import type { Sql } from '../../sql/database.js';

async function createJobs(sql: Sql): Promise<void> {
  await sql.schema.createTable('jobs', (table) => {
    table.bigIncrements('seq');
    table.text('id').notNullable().unique();
    table.text('action_digest').notNullable();
    table.text('platform_key').notNullable();
    table.integer('priority').notNullable();
    table.boolean('is_cacheable').notNullable();
    table.text('shared_key').nullable().unique();
    table.integer('stage').notNullable();
    table.text('lease_id').nullable();
    table.integer('attempts').notNullable().defaultTo(0);
    table.bigInteger('queued_at_ms').notNullable();
    table.bigInteger('ready_at_ms').notNullable();
    table.text('avoided_bot_id').nullable();
    table.binary('response').nullable();
    table.bigInteger('completed_at_ms').nullable().index();
  });
  await sql.raw(`CREATE INDEX jobs_waiting ON jobs (platform_key, priority, seq) WHERE stage = 2 AND lease_id IS NULL`);
}

async function createOperations(sql: Sql): Promise<void> {
  await sql.schema.createTable('operations', (table) => {
    table.bigIncrements('seq');
    table.text('id').notNullable().unique();
    table.text('job_id').notNullable().references('jobs.id').onDelete('CASCADE').index();
    table.text('instance_name').notNullable();
    table.text('hints').notNullable();
    table.text('tool_invocation_id').notNullable();
    table.text('correlated_invocations_id').notNullable();
    table.text('action_mnemonic').notNullable();
    table.text('target_id').notNullable();
    table.bigInteger('cancelled_at_ms').nullable().index();
    table.index(['instance_name', 'seq']);
  });
}

async function createSessions(sql: Sql): Promise<void> {
  await sql.schema.createTable('bot_sessions', (table) => {
    table.text('name').primary();
    table.text('parent').notNullable();
    table.text('bot_id').notNullable();
    table.integer('revision').notNullable();
    table.boolean('is_accepting').notNullable();
    table.text('offered').notNullable();
    table.bigInteger('expires_at_ms').notNullable();
    table.text('closed_because').nullable();
    table.bigInteger('closed_at_ms').nullable().index();
  });
  const isOpen = 'closed_because IS NULL';
  await sql.raw(`CREATE UNIQUE INDEX bot_sessions_open ON bot_sessions (parent, bot_id) WHERE ${isOpen}`);
  await sql.raw(`CREATE INDEX bot_sessions_expiry ON bot_sessions (expires_at_ms) WHERE ${isOpen}`);
}

async function createLeases(sql: Sql): Promise<void> {
  await sql.schema.createTable('leases', (table) => {
    table.text('id').primary();
    table.text('job_id').notNullable().references('jobs.id').onDelete('CASCADE').index();
    table.text('session_name').notNullable().references('bot_sessions.name').onDelete('CASCADE').index();
    table.integer('state').notNullable();
    table.boolean('is_reported').notNullable();
    table.integer('offers').notNullable();
  });
}

/** Version 1. Published: it stays as it is. */
export async function createTables(sql: Sql): Promise<void> {
  await createJobs(sql);
  await createOperations(sql);
  await createSessions(sql);
  await createLeases(sql);
}
