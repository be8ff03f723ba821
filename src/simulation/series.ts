import type { Sample } from './simulation-report.js';

const firstIntervalMs = 1_000;
const maxSamples = 4_000;

/** Samples at even distances. When they become many, every other one goes, and the distance doubles. */
export class Series {
  #samples: Sample[] = [];
  #intervalMs = firstIntervalMs;

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Notes the state that has been until `nowMs`, if it is time. */
  advance(nowMs: number, stateAt: (atMs: number) => Sample): void {
    for (let atMs = this.#nextMs(); atMs <= nowMs; atMs = this.#nextMs()) {
      this.#samples.push(stateAt(atMs));
      if (this.#samples.length < maxSamples) continue;
      this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
      this.#intervalMs *= 2;
    }
  }

  #nextMs(): number {
    const last = this.#samples.at(-1);
    return last ? last.atMs + this.#intervalMs : 0;
  }
}
