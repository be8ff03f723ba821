import { SqlTable } from '../../sql/sql-table.js';
import type { SessionLease, AttemptOutcome } from '../job-store.js';
import type { Stage } from '../stage.js';

/** A row of `jobs`. `seq` is the database's to give, `response` is written only. */
export interface JobRow {
  readonly seq?: number;
  readonly id: string;
  readonly action_digest: string;
  readonly platform_key: string;
  readonly flow_key: string;
  readonly affinity_key: string | null;
  readonly priority: number;
  readonly rank: number;
  readonly finish: number;
  readonly is_cacheable: boolean;
  readonly shared_key: string | null;
  readonly stage: Stage;
  readonly lease_id: string | null;
  readonly attempts: number;
  readonly avoided_bot_id: string | null;
  readonly queued_at_ms: number;
  readonly ready_at_ms: number;
  readonly leased_at_ms: number | null;
  readonly started_at_ms: number | null;
  readonly completed_at_ms: number | null;
  readonly response?: Uint8Array | null;
}

/** A row of `operations`. */
export interface OperationRow {
  readonly seq?: number;
  readonly id: string;
  readonly job_id: string;
  readonly instance_name: string;
  readonly hints: string;
  readonly tool_invocation_id: string;
  readonly correlated_invocations_id: string;
  readonly action_mnemonic: string;
  readonly target_id: string;
  readonly cancelled_at_ms: number | null;
}

/** A row of `bot_sessions`. */
export interface SessionRow {
  readonly name: string;
  readonly parent: string;
  readonly bot_id: string;
  readonly revision: number;
  readonly is_accepting: boolean;
  /** Whether people want its bot to get nothing new: as `drained_bots` says, which outlives the session. */
  readonly is_drained: boolean;
  /** {@link OfferedProperties} as JSON. */
  readonly offered: string;
  /** Of the Job that it had last. */
  readonly affinity_key: string | null;
  readonly expires_at_ms: number;
  readonly closed_because: string | null;
  readonly closed_at_ms: number | null;
}

/** A row of `leases`. */
export interface LeaseRow {
  readonly id: string;
  readonly job_id: string;
  readonly session_name: string;
  readonly state: SessionLease['state'];
  readonly is_reported: boolean;
  readonly offers: number;
}

/** A row of `attempts`. */
export interface AttemptRow {
  readonly lease_id: string;
  readonly job_id: string;
  readonly number: number;
  readonly bot_id: string;
  readonly session_name: string;
  readonly leased_at_ms: number;
  readonly started_at_ms: number | null;
  readonly ended_at_ms: number | null;
  readonly outcome: AttemptOutcome | null;
  readonly error: string | null;
  /** Whether its bot was gone, without a word. Left out, it is false. */
  readonly has_vanished?: boolean;
}

/** A row of `watches`: an Operation that is cancelled when nobody watches it. */
export interface WatchRow {
  readonly operation_id: string;
  readonly until_ms: number;
}

export const jobsTable = new SqlTable<JobRow>('jobs', 'id', {
  seq: 'bigint',
  id: 'text',
  action_digest: 'text',
  platform_key: 'text',
  flow_key: 'text',
  affinity_key: 'text',
  priority: 'integer',
  rank: 'double',
  finish: 'double',
  is_cacheable: 'boolean',
  shared_key: 'text',
  stage: 'integer',
  lease_id: 'text',
  attempts: 'integer',
  avoided_bot_id: 'text',
  queued_at_ms: 'bigint',
  ready_at_ms: 'bigint',
  leased_at_ms: 'bigint',
  started_at_ms: 'bigint',
  completed_at_ms: 'bigint',
  response: 'bytes',
});

export const operationsTable = new SqlTable<OperationRow>('operations', 'id', {
  seq: 'bigint',
  id: 'text',
  job_id: 'text',
  instance_name: 'text',
  hints: 'text',
  tool_invocation_id: 'text',
  correlated_invocations_id: 'text',
  action_mnemonic: 'text',
  target_id: 'text',
  cancelled_at_ms: 'bigint',
});

export const sessionsTable = new SqlTable<SessionRow>('bot_sessions', 'name', {
  name: 'text',
  parent: 'text',
  bot_id: 'text',
  revision: 'integer',
  is_accepting: 'boolean',
  is_drained: 'boolean',
  offered: 'text',
  affinity_key: 'text',
  expires_at_ms: 'bigint',
  closed_because: 'text',
  closed_at_ms: 'bigint',
});

export const leasesTable = new SqlTable<LeaseRow>('leases', 'id', {
  id: 'text',
  job_id: 'text',
  session_name: 'text',
  state: 'integer',
  is_reported: 'boolean',
  offers: 'integer',
});

export const attemptsTable = new SqlTable<AttemptRow>('attempts', 'lease_id', {
  lease_id: 'text',
  job_id: 'text',
  number: 'integer',
  bot_id: 'text',
  session_name: 'text',
  leased_at_ms: 'bigint',
  started_at_ms: 'bigint',
  ended_at_ms: 'bigint',
  outcome: 'text',
  error: 'text',
  has_vanished: 'boolean',
});

export const watchesTable = new SqlTable<WatchRow>('watches', 'operation_id', {
  operation_id: 'text',
  until_ms: 'bigint',
});
