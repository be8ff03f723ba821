/**
 * Pulls the first item of `source`, so that a source that cannot even start is told from one that breaks off. Rejects with
 * what the first pull rejects with; what it returns has all the items, and must be iterated for `source` to be closed.
 */
export async function begin<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]();
  return withFirst(await iterator.next(), iterator);
}

async function* withFirst<T>(first: IteratorResult<T>, iterator: AsyncIterator<T>): AsyncIterable<T> {
  try {
    for (let result = first; result.done !== true; result = await iterator.next()) yield result.value;
  } finally {
    await iterator.return?.();
  }
}
