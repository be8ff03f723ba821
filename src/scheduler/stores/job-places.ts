import { rowsOf } from '../../sql/query-rows.js';
import type { SqlContext } from '../../sql/sql-table.js';
import { startLike, type PlatformProgress } from '../platform-likeness.js';
import { rankJob, type Rank } from '../rank.js';
import { isLeased, isLive, isWaiting } from './job-schema.js';
import { loadPlatforms as loadWaitingPlatforms } from './queue-heads.js';

/** Whose Job is to be ranked. */
export interface Flow {
  readonly platformKey: string;
  readonly flowKey: string;
}

interface PlatformState {
  /** The greatest finish of the leased Jobs. */
  readonly leased: number | null;
  /** The waiting Job of the least rank. */
  head: Rank | undefined;
}

interface PlatformRow {
  readonly platform_key: string;
  readonly leased: number | null;
  readonly head_rank: number | null;
  readonly head_finish: number | null;
}

/** Where platforms start that are idle. */
interface Level {
  readonly busy: readonly PlatformProgress[];
  /** The greatest finish of any leased Job. */
  readonly leased: number;
}

/**
 * The places that new Jobs get, by what the rows of live Jobs say: a look at the ends of indexes for each platform and
 * each flow, however many Jobs there are.
 */
export class JobPlaces {
  readonly #platforms: ReadonlyMap<string, PlatformState>;
  readonly #finishes: Map<string, number>;
  readonly #level: Level;

  private constructor(platforms: ReadonlyMap<string, PlatformState>, finishes: Map<string, number>, level: Level) {
    this.#platforms = platforms;
    this.#finishes = finishes;
    this.#level = level;
  }

  static async load(context: SqlContext, flows: readonly Flow[]): Promise<JobPlaces> {
    const platforms = new Map<string, PlatformState>();
    for (const row of await loadPlatforms(context, flows)) {
      const { head_rank: rank, head_finish: finish, leased } = row;
      const head = rank === null || finish === null ? undefined : { rank, finish };
      platforms.set(row.platform_key, { leased, head });
    }
    const finishes = await loadFinishes(context, flows);
    const isIdle = [...platforms.values()].some(({ leased, head }) => leased === null && !head);
    return new JobPlaces(platforms, finishes, isIdle ? await loadLevel(context) : { busy: [], leased: 0 });
  }

  /** The place of a Job that would come now. */
  placeOf(flow: Flow, priority: number): Rank {
    const platform = this.#platforms.get(flow.platformKey);
    const finishes = [platform?.leased, platform?.head?.finish].filter((finish) => typeof finish === 'number');
    const virtualTime = finishes.length > 0 ? Math.max(...finishes) : this.#startOf(flow);
    return rankJob({ virtualTime, lastFinish: this.#finishes.get(keyOf(flow)), priority });
  }

  /** Platforms that share bots start level. */
  #startOf({ platformKey }: Flow): number {
    return startLike(platformKey, this.#level.busy) ?? this.#level.leased;
  }

  /** A waiting Job has got a place. */
  take(flow: Flow, place: Rank): void {
    const key = keyOf(flow);
    this.#finishes.set(key, Math.max(place.finish, this.#finishes.get(key) ?? -Infinity));
    const platform = this.#platforms.get(flow.platformKey);
    if (platform && (!platform.head || place.rank < platform.head.rank)) platform.head = place;
  }
}

const headOf = (column: 'rank' | 'finish'): string => `
  (SELECT ${column} FROM jobs WHERE ${isWaiting} AND platform_key = list.platform_key ORDER BY rank, seq LIMIT 1)`;

function loadPlatforms({ sql, dialect }: SqlContext, flows: readonly Flow[]): Promise<PlatformRow[]> {
  const keys = [...new Set(flows.map(({ platformKey }) => platformKey))];
  const { from, bindings } = dialect.listOf({ platform_key: keys });
  const leased = `
    (SELECT finish FROM jobs WHERE ${isLeased} AND platform_key = list.platform_key ORDER BY finish DESC LIMIT 1)`;
  return rowsOf(
    sql,
    `SELECT platform_key, ${leased} AS leased, ${headOf('rank')} AS head_rank, ${headOf('finish')} AS head_finish FROM ${from}`,
    bindings,
  );
}

async function loadFinishes({ sql, dialect }: SqlContext, flows: readonly Flow[]): Promise<Map<string, number>> {
  const distinct = [...new Map(flows.map((flow) => [keyOf(flow), flow])).values()];
  const { from, bindings } = dialect.listOf({
    platform_key: distinct.map(({ platformKey }) => platformKey),
    flow_key: distinct.map(({ flowKey }) => flowKey),
  });
  const rows = await rowsOf<{ platform_key: string; flow_key: string; finish: number | null }>(
    sql,
    `SELECT platform_key, flow_key, (
       SELECT finish FROM jobs
       WHERE ${isLive} AND platform_key = list.platform_key AND flow_key = list.flow_key
       ORDER BY finish DESC LIMIT 1) AS finish
     FROM ${from}`,
    bindings,
  );
  return new Map(
    rows.flatMap(({ platform_key: platformKey, flow_key: flowKey, finish }) =>
      finish === null ? [] : [[keyOf({ platformKey, flowKey }), finish] as const],
    ),
  );
}

async function loadLevel(context: SqlContext): Promise<Level> {
  const keys = await loadWaitingPlatforms(context);
  const leased = await greatestLeased(context);
  if (keys.length === 0) return { busy: [], leased };
  const { from, bindings } = context.dialect.listOf({ platform_key: keys });
  const rows = await rowsOf<{ platform_key: string; finish: number }>(
    context.sql,
    `SELECT platform_key, ${headOf('finish')} AS finish FROM ${from}`,
    bindings,
  );
  return { busy: rows.map(({ platform_key: platformKey, finish }) => ({ platformKey, finish })), leased };
}

async function greatestLeased({ sql }: SqlContext): Promise<number> {
  const [row] = await rowsOf<{ finish: number | null }>(
    sql,
    `SELECT max(finish) AS finish FROM jobs WHERE ${isLeased}`,
  );
  return row?.finish ?? 0;
}

function keyOf({ platformKey, flowKey }: Flow): string {
  return JSON.stringify([platformKey, flowKey]);
}
