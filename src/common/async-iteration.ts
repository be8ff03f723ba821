/** Joins the chunks of `source`. `maxBytes` guards against a source that has more than was announced. */
export async function collectBytes(source: AsyncIterable<Uint8Array>, maxBytes = Infinity): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw new RangeError(`More than the expected ${maxBytes} bytes arrived`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && Buffer.isBuffer(chunks[0]) ? chunks[0] : Buffer.concat(chunks, sizeBytes);
}

/** Yields what is already in memory as one chunk; nothing for no bytes. */
export async function* bytesOnce(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

/** Cuts `source` anew, into parts of `partBytes` each but the last, which has the rest. Nothing for no bytes. */
export async function* inParts(source: AsyncIterable<Uint8Array>, partBytes: number): AsyncIterable<Buffer> {
  let chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (let chunk of source) {
    while (sizeBytes + chunk.length >= partBytes) {
      const taken = partBytes - sizeBytes;
      yield Buffer.concat([...chunks, chunk.subarray(0, taken)], partBytes);
      chunk = chunk.subarray(taken);
      chunks = [];
      sizeBytes = 0;
    }
    if (chunk.length === 0) continue;
    chunks.push(chunk);
    sizeBytes += chunk.length;
  }
  if (sizeBytes > 0) yield Buffer.concat(chunks, sizeBytes);
}

/** Runs `task` over `items`, at most `limit` at a time, in order of start. Rejects with the first failure. */
export async function forEachConcurrently<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  let running = 0;
  let wake: (() => void) | undefined;
  let failure: { reason: unknown } | undefined;
  const failed = (): boolean => failure !== undefined;
  // One waiter that whoever ends wakes: racing all that run would cost their number each time.
  const oneEnds = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  const run = async (item: T): Promise<void> => {
    try {
      await task(item);
    } catch (reason) {
      failure ??= { reason };
    }
    running -= 1;
    wake?.();
  };
  for await (const item of items) {
    running += 1;
    void run(item);
    if (running >= limit) await oneEnds();
    if (failed()) break;
  }
  while (running > 0) await oneEnds();
  if (failure) throw failure.reason;
}
