/** A request, as far as a handler needs to know it. */
export interface HttpRequest {
  readonly method: string;
  /** The path, percent-encoded as it came, without the query. */
  readonly path: string;
  /** What the client announces to send; `undefined` if it does not say. */
  readonly sizeBytes: number | undefined;
  /** Throws CANCELLED when the client goes away before it has sent all. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborts when the client goes away or the server stops. */
  readonly signal: AbortSignal;
}

/** What is answered. */
export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long {@link body} is; without it, what `body` has. */
  readonly sizeBytes?: number;
  /** A text, or bytes. Not pulled for HEAD. @defaultValue none */
  readonly body?: string | AsyncIterable<Uint8Array>;
}

/** Answers requests. What it throws becomes a reply by its code. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpReply>;
