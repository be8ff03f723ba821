/** Yields each text as a chunk of bytes. */
export async function* chunks(...texts: readonly (string | Uint8Array)[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
