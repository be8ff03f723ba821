import type { BenchBot } from './bench-bot.js';
import { type BenchBlob, paths } from './cas-messages.js';
import { framed } from './frame.js';
import type { Http2Load } from './http2-load.js';
import { executeRequest, jobPaths } from './job-messages.js';
import { report } from './report.js';
import { SyncedFile } from './sync-rate.js';

const empty = framed(new Uint8Array());

/** What {@link benchHandOff} is told. */
export interface HandOff {
  readonly name: string;
  /** Whoever asks, and with the disk of `folder` the limit: an empty call and a flush. */
  readonly client: Http2Load;
  readonly bot: BenchBot;
  readonly actions: readonly BenchBlob[];
  readonly folder: string;
  readonly goal: number;
  /** Called when the bot waits, before each job. */
  readonly settle?: () => Promise<void>;
}

/** From the moment when a client asks until the waiting bot has its job: with reading the Action, and two commits. */
export async function benchHandOff({ name, client, bot, actions, folder, goal, settle }: HandOff): Promise<void> {
  using disk = new SyncedFile(folder);
  const times = { handOff: [] as number[], limit: [] as number[] };
  for (const action of actions) {
    const leased = bot.next().then((leases) => ({ leases, atMs: performance.now() }));
    await settle?.();
    const startMs = performance.now();
    await client.call(paths.findMissing, empty);
    times.limit.push(performance.now() - startMs + disk.syncOnce());
    const sentMs = performance.now();
    const ended = client.call(jobPaths.execute, executeRequest(action));
    const { leases, atMs } = await leased;
    if (leases.length !== 1) throw new Error(`The bot was given ${leases.length} leases`);
    times.handOff.push(atMs - sentMs);
    await Promise.all([ended, bot.report()]);
  }
  for (const quantile of [0.5, 0.99]) {
    const [handOff, limit] = [quantileOf(times.handOff, quantile), quantileOf(times.limit, quantile)];
    report({
      name: `${name}, p${quantile * 100}; fdatasync + empty call`,
      figure: `${handOff.toFixed(2)} ms`,
      limit: `${limit.toFixed(2)} ms`,
      ratio: handOff / limit,
      goal,
      isLimit: true,
    });
  }
}

function quantileOf(all: readonly number[], quantile: number): number {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length * quantile)] ?? 0;
}
