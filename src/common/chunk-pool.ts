/** Where the memory for chunks comes from. */
export interface ChunkSource {
  /** Memory for a chunk of up to `maxBytes`, with anything in it; often less than that. */
  take(maxBytes: number): Buffer;
}

/** The chunks of one reader. */
export interface ChunkLoan extends ChunkSource {
  /** Takes a chunk back that nobody looks at any more, for others to use. Ignores memory that is not from here. */
  giveBack(chunk: Uint8Array): void;

  /** Ends the loan: what was not given back is left to the garbage collector. */
  close(): void;
}

/** What {@link ChunkPool} may take. */
export interface ChunkPoolOptions {
  /** What all readers may hold together, save for {@link minChunkBytes} for each chunk. */
  readonly budgetBytes: number;
  /** How much is kept that nobody holds. */
  readonly maxIdleBytes: number;
}

/** Larger chunks make no read faster. */
const maxChunkBytes = 1024 * 1024;

/** What can always be had, however much is held. */
export const minChunkBytes = 32 * 1024;

/** What is free is not given away at once. */
const shareOfFree = 1 / 8;

/**
 * Lends memory for chunks and uses it again. Made anew for each, it keeps the garbage collector busy: a blob of 256 MiB
 * then costs three times the processor time. The more is held, as by readers that are slow, the smaller are the chunks;
 * so all together stay within a budget, and nobody waits for anybody else (U4).
 */
export class ChunkPool {
  readonly #options: ChunkPoolOptions;
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;
  #heldBytes = 0;

  constructor(options: ChunkPoolOptions) {
    this.#options = options;
  }

  /** What readers hold at this moment. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Begins to lend. Whoever opens it closes it. */
  open(): ChunkLoan {
    const lent = new Map<ArrayBufferLike, Buffer>();
    return {
      take: (maxBytes) => {
        const memory = this.#take(this.#sizeFor(maxBytes));
        lent.set(memory.buffer, memory);
        return memory.subarray(0, maxBytes);
      },
      giveBack: ({ buffer }) => {
        const memory = lent.get(buffer);
        if (!memory) return;
        lent.delete(buffer);
        this.#heldBytes -= memory.length;
        this.#keep(memory);
      },
      close: () => {
        for (const { length } of lent.values()) this.#heldBytes -= length;
        lent.clear();
      },
    };
  }

  /** A power of two, so that there are few sizes. */
  #sizeFor(maxBytes: number): number {
    const free = (this.#options.budgetBytes - this.#heldBytes) * shareOfFree;
    let size = maxChunkBytes;
    while (size > minChunkBytes && (size > free || size / 2 >= maxBytes)) size /= 2;
    return size;
  }

  #take(size: number): Buffer {
    const memory = this.#idle.get(size)?.pop();
    if (memory) this.#idleBytes -= size;
    this.#heldBytes += size;
    // Not out of Node's own pool, of which other buffers have a part.
    return memory ?? Buffer.allocUnsafeSlow(size);
  }

  #keep(memory: Buffer): void {
    if (this.#idleBytes + memory.length > this.#options.maxIdleBytes) return;
    this.#idleBytes += memory.length;
    const known = this.#idle.get(memory.length);
    if (known) known.push(memory);
    else this.#idle.set(memory.length, [memory]);
  }
}
