import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { silentLogger } from '../../src/common/logger.js';
import { Digest } from '../../src/digest/digest.js';
import { encodeResponse } from '../../src/scheduler/execute-responses.js';
import type { JobStore, NewJob, Session } from '../../src/scheduler/job-store.js';
import { LeaseState } from '../../src/scheduler/lease.js';
import { platformKeyOf } from '../../src/scheduler/platform.js';
import { SqlJobStore } from '../../src/scheduler/stores/sql-job-store.js';
import type { Database } from '../../src/sql/database.js';
import { openDatabase } from '../../src/sql/open-database.js';
import { median, report } from './report.js';
import { SyncedFile } from './sync-rate.js';

const keepaliveMs = 3_600_000;
const labels = { toolInvocationId: '', correlatedInvocationsId: '', actionMnemonic: '', targetId: '' };
const response = encodeResponse({ result: { exitCode: 0, executionMetadata: { worker: 'bench' } } });

interface OpenStore extends AsyncDisposable {
  readonly store: JobStore;
}

async function openStore(connectionString: string): Promise<OpenStore> {
  const database: Database = await openDatabase(connectionString, { logger: silentLogger });
  const store = await SqlJobStore.open({ database, automigrate: true });
  return { store, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

function newJob(pool: string, overrides: Partial<NewJob> = {}): NewJob {
  return {
    actionDigest: Digest.of(Buffer.from(randomUUID())),
    platformKey: platformKeyOf(pool === '' ? [] : [{ name: 'pool', value: pool }]),
    priority: 0,
    isCacheable: true,
    isShared: true,
    ...overrides,
  };
}

function add(store: JobStore, job: NewJob): Promise<unknown> {
  return store.operations.add(job, { instanceName: '', labels, hints: '{}' }, 1_000_000);
}

function openSession(store: JobStore, botId: string, pool: string): Promise<Session> {
  const offered = { values: pool === '' ? {} : { pool: [pool] }, wildcards: [] };
  return store.sessions.open({ parent: '', botId, isAccepting: true, offered, keepaliveMs });
}

async function addMany(store: JobStore, jobs: readonly NewJob[]): Promise<void> {
  for (let at = 0; at < jobs.length; at += 1_000)
    await Promise.all(jobs.slice(at, at + 1_000).map((job) => add(store, job)));
}

/** Fills a database with Jobs that are done. */
export async function fillWithFinished(connectionString: string, count: number): Promise<void> {
  await using opened = await openStore(connectionString);
  await addMany(
    opened.store,
    Array.from({ length: count }, () => newJob('', { response })),
  );
}

function finish(store: JobStore, { name, leases }: Session, botId: string): Promise<Session> {
  const offered = { values: {}, wildcards: [] };
  const verdict = { kind: 'done', response } as const;
  const reports = leases.map(({ id }) => ({ id, state: LeaseState.Completed, verdict }));
  return store.sessions.update({ name, botId, isAccepting: true, isLeaving: false, offered, keepaliveMs, reports });
}

/** The three changes of a Job, each for `count` Jobs at once, in seconds. */
async function roundOf(store: JobStore, sessions: Session[]): Promise<number> {
  const jobs = sessions.map(() => newJob(''));
  const startMs = performance.now();
  await Promise.all(jobs.map((job) => add(store, job)));
  const claimed = await Promise.all(
    sessions.map(({ name, revision }) => store.sessions.claim(name, revision, keepaliveMs)),
  );
  const ended = await Promise.all(claimed.map((session, index) => finish(store, session!, `bot-${index}`)));
  const seconds = (performance.now() - startMs) / 1000;
  if (claimed.some((session) => session?.leases.length !== 1)) throw new Error('A bot was given nothing');
  sessions.splice(0, sessions.length, ...ended);
  return seconds;
}

/** The store alone, 100 changes at a time, beside what its disk can flush in the same seconds. */
export async function benchStore(connectionString: string, folder: string): Promise<void> {
  await using opened = await openStore(connectionString);
  using disk = new SyncedFile(folder);
  const { store } = opened;
  const count = 100;
  const sessions = await Promise.all(
    Array.from({ length: count }, (_, index) => openSession(store, `bot-${index}`, '')),
  );
  await roundOf(store, sessions);
  const rounds: { jobs: number; syncs: number }[] = [];
  for (let round = 0; round < 15; round += 1) {
    const syncs = disk.rate(100);
    rounds.push({ syncs, jobs: count / (await roundOf(store, sessions)) });
  }
  const jobs = median(rounds.map((round) => round.jobs));
  const syncs = median(rounds.map((round) => round.syncs));
  const limit = `${syncs.toFixed(0)} fdatasync/s`;
  report({
    name: 'Store alone, 100 at a time: changes',
    figure: `${(3 * jobs).toFixed(0)} /s`,
    limit,
    ratio: (3 * jobs) / syncs,
    goal: 15,
  });
  report({
    name: '  whole jobs, three changes each',
    figure: `${jobs.toFixed(0)} /s`,
    limit,
    ratio: jobs / syncs,
    goal: 15,
    stretch: 30,
  });
}

const pools = 50;

interface Queue {
  readonly opened: OpenStore;
  readonly times: number[];
}

async function queueOf(connectionString: string, count: number): Promise<Queue> {
  const opened = await openStore(connectionString);
  await addMany(
    opened.store,
    Array.from({ length: count }, (_, index) => newJob(`pool-${index % pools}`)),
  );
  return { opened, times: [] };
}

/** A bot comes, takes a Job and gives it back: only the claim is timed. */
async function claimOnce({ opened, times }: Queue, round: number): Promise<void> {
  const { sessions } = opened.store;
  const { name, revision } = await openSession(opened.store, `bot-${round}`, `pool-${(round * 7) % pools}`);
  const startMs = performance.now();
  const claimed = await sessions.claim(name, revision, keepaliveMs);
  times.push(performance.now() - startMs);
  if (!claimed) throw new Error('A bot was given nothing');
  await sessions.hangUp(name, claimed.revision, keepaliveMs);
}

/** What a claim costs among many Jobs and among few. `connect` names an empty database for each, rather without a disk. */
export async function benchClaims(connect: () => Promise<string>): Promise<void> {
  await using opened = new Lifecycle();
  const few = await queueOf(await connect(), 100);
  opened.use(few.opened);
  const many = await queueOf(await connect(), 100_000);
  opened.use(many.opened);
  for (let round = 0; round < 1_000; round += 1) {
    await claimOnce(few, round);
    await claimOnce(many, round);
  }
  const [small, large] = [median(few.times), median(many.times)];
  report({
    name: 'Claim among 100,000 jobs of 50 platforms, 100',
    figure: `${large.toFixed(3)} ms`,
    limit: `${small.toFixed(3)} ms`,
    ratio: large / small,
    goal: 1.5,
    isLimit: true,
  });
}

/** A SQLite file in `folder`. */
export function sqliteIn(folder: string, name: string): string {
  return `sqlite:///${join(folder, name)}`;
}
