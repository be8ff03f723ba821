/** What a {@link Heap} is made with. */
export interface HeapOptions<T> {
  /** Negative if `a` comes first. It must not change for what is in the heap. */
  readonly compare: (a: T, b: T) => number;
  /** Whether an item still counts; one that does not never comes out. @defaultValue all do */
  readonly isCurrent?: (item: T) => boolean;
}

/** Below this many items nothing is swept out. */
const minSwept = 64;

/** A binary heap: the first item is at hand, in whatever order they came. Items that no longer count do not pile up. */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #isCurrent: ((item: T) => boolean) | undefined;
  #items: T[] = [];
  #sweepAt = minSwept;

  constructor({ compare, isCurrent }: HeapOptions<T>) {
    this.#compare = compare;
    this.#isCurrent = isCurrent;
  }

  push(item: T): void {
    if (this.#items.length >= this.#sweepAt) this.#sweep();
    this.#items.push(item);
    this.#rise(this.#items.length - 1);
  }

  peek(): T | undefined {
    let [first] = this.#items;
    while (first !== undefined && this.#isCurrent && !this.#isCurrent(first)) {
      this.#take();
      [first] = this.#items;
    }
    return first;
  }

  pop(): T | undefined {
    const first = this.peek();
    if (first !== undefined) this.#take();
    return first;
  }

  #take(): void {
    const last = this.#items.pop();
    if (last === undefined || this.#items.length === 0) return;
    this.#items[0] = last;
    this.#sink(0);
  }

  #sweep(): void {
    const isCurrent = this.#isCurrent;
    if (isCurrent) {
      this.#items = this.#items.filter((item) => isCurrent(item));
      for (let index = (this.#items.length >> 1) - 1; index >= 0; index--) this.#sink(index);
    }
    this.#sweepAt = Math.max(minSwept, 2 * this.#items.length);
  }

  #rise(from: number): void {
    const items = this.#items;
    const item = items[from] as T;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#compare(items[parent] as T, item) <= 0) break;
      items[index] = items[parent] as T;
      index = parent;
    }
    items[index] = item;
  }

  #sink(from: number): void {
    const items = this.#items;
    const item = items[from] as T;
    let index = from;
    for (let child = 2 * index + 1; child < items.length; child = 2 * index + 1) {
      const right = child + 1;
      if (right < items.length && this.#compare(items[right] as T, items[child] as T) < 0) child = right;
      if (this.#compare(item, items[child] as T) <= 0) break;
      items[index] = items[child] as T;
      index = child;
    }
    items[index] = item;
  }
}
