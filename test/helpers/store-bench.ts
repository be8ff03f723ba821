import type { JobStore, Operation, Session } from '../../src/scheduler/job-store.js';
import type { LeaseReport } from '../../src/scheduler/lease.js';
import { active, keepaliveMs, newJob, newOperation, newSession, newUpdate } from './jobs.js';

/** What tests of a JobStore do all the time. The bot is called `bot` unless it has another name. */
export class StoreBench {
  readonly store: JobStore;

  constructor(store: JobStore) {
    this.store = store;
  }

  add(job: string, overrides: Parameters<typeof newJob>[1] = {}): Promise<Operation> {
    return this.store.operations.add(newJob(job, overrides), newOperation(), 1_000);
  }

  async find({ id }: Operation): Promise<Operation> {
    return (await this.store.operations.find(id))!;
  }

  open(botId: string, overrides: Parameters<typeof newSession>[1] = {}): Promise<Session> {
    return this.store.sessions.open(newSession(botId, overrides));
  }

  claim({ name, revision }: Session): Promise<Session | undefined> {
    return this.store.sessions.claim(name, revision, keepaliveMs);
  }

  /** The hash of the Action that the session is given. */
  async claimedBy(session: Session): Promise<string | undefined> {
    return (await this.claim(session))?.leases[0]?.actionDigest.hash;
  }

  update(
    { name }: Session,
    reports: readonly LeaseReport[],
    overrides: Parameters<typeof newUpdate>[2] = {},
  ): Promise<Session> {
    return this.store.sessions.update(newUpdate(name, 'bot', { reports, ...overrides }));
  }

  /** A bot that has just been given the most urgent Job. */
  async given(): Promise<{ session: Session; leaseId: string }> {
    const session = await this.claim(await this.open('bot'));
    return { session: session!, leaseId: session!.leases[0]!.id };
  }

  /** A bot that executes the most urgent Job. */
  async working(): Promise<{ session: Session; leaseId: string }> {
    const { session, leaseId } = await this.given();
    return { session: await this.update(session, [active(leaseId)]), leaseId };
  }
}
