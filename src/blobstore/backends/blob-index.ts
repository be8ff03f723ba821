/** What is known of a stored blob without looking at the disk. */
interface Entry {
  readonly sizeBytes: number;
  /** Not to be evicted before, in milliseconds since the epoch. */
  promisedUntilMs: number;
}

/** Which blobs a store holds, in the order of their last use. Keys are those of `Digest.key`. */
export class BlobIndex {
  /** A Map remembers the order of insertion: whatever is used is put in again, so the oldest stands first. */
  readonly #entries = new Map<string, Entry>();
  readonly #readers = new Map<string, number>();
  #usedBytes = 0;

  /** How many bytes all its blobs have. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Notes a blob as present and just used. */
  add(key: string, sizeBytes: number): void {
    if (this.touch(key)) return;
    this.#entries.set(key, { sizeBytes, promisedUntilMs: 0 });
    this.#usedBytes += sizeBytes;
  }

  /** Notes a blob as just used, and as one to keep until `promisedUntilMs`. Returns whether it is present. */
  touch(key: string, promisedUntilMs = 0): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    entry.promisedUntilMs = Math.max(entry.promisedUntilMs, promisedUntilMs);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return true;
  }

  /** Forgets a blob. Returns whether it was present. */
  remove(key: string): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#usedBytes -= entry.sizeBytes;
    return this.#entries.delete(key);
  }

  /** Keeps a blob from eviction until the returned function is called, once. */
  pin(key: string): () => void {
    this.#readers.set(key, (this.#readers.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#readers.get(key) ?? 1) - 1;
      if (left > 0) this.#readers.set(key, left);
      else this.#readers.delete(key);
    };
  }

  /** Whether a blob may go now: present, nobody reads it, and nobody was promised that it stays (D4). */
  isEvictable(key: string, nowMs: number): boolean {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.promisedUntilMs <= nowMs && !this.#readers.has(key);
  }

  /**
   * The blobs that may go, the least recently used first. The index may change while it is iterated; each blob is
   * looked at once at the most.
   */
  *evictable(nowMs: number): Iterable<string> {
    let left = this.#entries.size;
    for (const key of this.#entries.keys()) {
      if (left-- <= 0) return;
      if (this.isEvictable(key, nowMs)) yield key;
    }
  }
}
