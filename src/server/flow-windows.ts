/** What the windows need of an HTTP/2 session. */
export interface WindowedSession {
  readonly destroyed: boolean;
  setLocalWindowSize(bytes: number): void;
  settings(settings: { readonly initialWindowSize: number }, acknowledged: () => void): void;
  once(event: 'close', listener: () => void): unknown;
}

/** What the windows need of an HTTP/2 stream. */
export interface WindowedStream {
  once(event: 'close', listener: () => void): unknown;
}

/** What {@link FlowWindows} may let come. */
export interface FlowWindowsOptions {
  /** Paths of the methods whose streams can make the client wait: it sends ahead as much as their window holds. */
  readonly uploadPaths: readonly string[];
  /** A larger window makes nothing faster. @defaultValue 8 MiB */
  readonly maxBytes?: number;
  /** With less, an upload crawls. @defaultValue 64 KiB */
  readonly minBytes?: number;
  /** What the windows of all uploads hold together. @defaultValue 128 MiB */
  readonly uploadBudgetBytes?: number;
  /** What the windows of all connections hold together. @defaultValue 256 MiB */
  readonly connectionBudgetBytes?: number;
}

const mebibyte = 1024 * 1024;

/**
 * Sizes the flow-control windows of a server, wide while there are few uploads and connections, narrow when there are many
 * (U4). Node takes what comes on a connection at once, so a connection's window bounds nothing but what is on the wire;
 * what a stream that waits for the disk has in memory is bounded by its own.
 */
export class FlowWindows {
  readonly #options: Required<FlowWindowsOptions>;
  /** With the size of the streams' windows that each has been told last, or is about to be. */
  readonly #sessions = new Map<WindowedSession, { streamBytes: number; isSettled: boolean }>();
  #uploads = 0;
  #streamBytes: number;
  #connectionBytes: number;

  constructor({
    uploadPaths,
    maxBytes = 8 * mebibyte,
    minBytes = 64 * 1024,
    uploadBudgetBytes = 128 * mebibyte,
    connectionBudgetBytes = 256 * mebibyte,
  }: FlowWindowsOptions) {
    this.#options = { uploadPaths, maxBytes, minBytes, uploadBudgetBytes, connectionBudgetBytes };
    this.#streamBytes = maxBytes;
    this.#connectionBytes = maxBytes;
  }

  /** The window of a new stream. */
  get streamBytes(): number {
    return this.#streamBytes;
  }

  /** The window of a connection. */
  get connectionBytes(): number {
    return this.#connectionBytes;
  }

  /** Sizes the windows of a connection until it closes. */
  addSession(session: WindowedSession): void {
    this.#sessions.set(session, { streamBytes: this.#options.maxBytes, isSettled: true });
    session.once('close', () => {
      this.#sessions.delete(session);
      this.#sizeConnections();
    });
    if (!this.#sizeConnections()) session.setLocalWindowSize(this.#connectionBytes);
    this.#tell(session);
  }

  /** Counts a stream until it closes, if it is an upload. */
  addStream(stream: WindowedStream, path: string | undefined): void {
    if (!this.#options.uploadPaths.includes(path ?? '')) return;
    this.#uploads += 1;
    stream.once('close', () => {
      this.#uploads -= 1;
      this.#sizeStreams();
    });
    this.#sizeStreams();
  }

  /** Returns whether the size has changed, and all have been told. */
  #sizeConnections(): boolean {
    const size = this.#share(this.#options.connectionBudgetBytes, this.#sessions.size, this.#connectionBytes);
    if (size === this.#connectionBytes) return false;
    this.#connectionBytes = size;
    for (const session of this.#sessions.keys()) if (!session.destroyed) session.setLocalWindowSize(size);
    return true;
  }

  #sizeStreams(): void {
    const size = this.#share(this.#options.uploadBudgetBytes, this.#uploads, this.#streamBytes);
    if (size === this.#streamBytes) return;
    this.#streamBytes = size;
    for (const session of this.#sessions.keys()) this.#tell(session);
  }

  /** A power of two; it grows again only when there is twice the room, so that it does not go to and fro. */
  #share(budgetBytes: number, count: number, current: number): number {
    const { minBytes, maxBytes } = this.#options;
    const fair = budgetBytes / Math.max(1, count);
    let size = current;
    while (size > minBytes && size > fair) size /= 2;
    while (size < maxBytes && size * 4 <= fair) size *= 2;
    // Nobody is there: all may have all.
    return count === 0 ? maxBytes : size;
  }

  /** One change at a time: a client that acknowledges none is not sent another. */
  #tell(session: WindowedSession): void {
    const told = this.#sessions.get(session);
    if (!told?.isSettled || session.destroyed || told.streamBytes === this.#streamBytes) return;
    told.streamBytes = this.#streamBytes;
    told.isSettled = false;
    session.settings({ initialWindowSize: told.streamBytes }, () => {
      told.isSettled = true;
      this.#tell(session);
    });
  }
}
