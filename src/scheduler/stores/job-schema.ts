import type { Schema } from '../../sql/migrate.js';
import { createTables } from './job-schema-1.js';
import { addRanks } from './job-schema-2.js';
import { addDrains } from './job-schema-3.js';
import { addQuarantine } from './job-schema-4.js';
import { addWatches } from './job-schema-5.js';
import { Stage } from '../stage.js';

/**
 * Which Jobs wait for a bot. A literal text, as the others here: an index over a part of a table serves only queries that
 * repeat its condition word for word.
 */
export const isWaiting = `stage = ${Stage.Queued} AND lease_id IS NULL`;

/** Which Jobs a bot has. */
export const isLeased = 'lease_id IS NOT NULL';

/** Which Jobs are waiting or leased. */
export const isLive = `stage < ${Stage.Completed}`;

/** The tables of Jobs, Operations, BotSessions and Leases. */
export const jobSchema: Schema = {
  component: 'jobs',
  migrations: [
    {
      name: 'jobs, operations, bot sessions, leases',
      up: createTables,
    },
    {
      name: 'ranks, times and attempts of jobs, length of the queue',
      up: addRanks,
    },
    {
      name: 'bots that get nothing new',
      up: addDrains,
    },
    {
      name: 'actions that kill bots',
      up: addQuarantine,
    },
    {
      name: 'until when operations are watched',
      up: addWatches,
    },
  ],
};
