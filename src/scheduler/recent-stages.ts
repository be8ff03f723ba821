/** How many Jobs are remembered, and as many again. */
const maxJobs = 4_096;

/**
 * Which Jobs events have told of lately. Whoever has read a Job's state since some moment can ask whether anything came after it, even
 * before anybody knew that there was a Job to listen for.
 */
export class RecentStages {
  #count = 0;
  /** The last event of each Job, by its place among all. */
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  /** Of the events before this one nothing is known. */
  #knownFrom = 0;
  #youngFrom = 0;

  /** This moment. */
  now(): number {
    return this.#count;
  }

  /** An event has told of a Job. */
  note(jobId: string): void {
    this.#young.set(jobId, this.#count);
    this.#count += 1;
    if (this.#young.size < maxJobs) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#knownFrom = this.#youngFrom;
    this.#youngFrom = this.#count;
  }

  /** Events may have been missed: nothing is known of what came before. */
  forget(): void {
    this.#old.clear();
    this.#young.clear();
    // A moment before now, so that whoever has just looked at the time is not sure either.
    this.#count += 1;
    this.#knownFrom = this.#count;
    this.#youngFrom = this.#count;
  }

  /** Whether no event has told of a Job since a moment; false also if that is too long ago to know. */
  isQuiet(jobId: string, since: number): boolean {
    if (since < this.#knownFrom) return false;
    return (this.#young.get(jobId) ?? this.#old.get(jobId) ?? -1) < since;
  }
}
