import type { InvocationKind } from './scenario.js';

/** A build under way. */
export class Invocation {
  readonly id: string;
  readonly kind: InvocationKind;
  readonly platformKey: string;
  readonly startedAtMs: number;
  /** The work of its Jobs so far, and the longest of them. */
  workMs = 0;
  longestMs = 0;
  #added = 0;
  #done = 0;

  constructor(
    kind: InvocationKind,
    { id, platformKey, startedAtMs }: Pick<Invocation, 'id' | 'platformKey' | 'startedAtMs'>,
  ) {
    this.kind = kind;
    this.id = id;
    this.platformKey = platformKey;
    this.startedAtMs = startedAtMs;
  }

  /** Whether the client sends another Job now. */
  get hasNext(): boolean {
    const { jobs, parallelism } = this.kind;
    return this.#added < jobs && this.#added - this.#done < parallelism;
  }

  get isDone(): boolean {
    return this.#done === this.kind.jobs;
  }

  /** The target of the Job that is next. */
  get nextTarget(): string {
    return `${this.id}:${Math.floor(this.#added / this.kind.jobsPerTarget)}`;
  }

  add(durationMs: number): void {
    this.#added += 1;
    this.workMs += durationMs;
    this.longestMs = Math.max(this.longestMs, durationMs);
  }

  complete(): void {
    this.#done += 1;
  }
}
