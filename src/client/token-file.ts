import { readFile, stat } from 'node:fs/promises';
import { type Clock, systemClock } from '../common/clock.js';
import { type Authorization, bearerHeader } from './authorization.js';

/** What {@link TokenFile.open} is told. */
export interface TokenFileOptions {
  /** Holds a bearer token, and perhaps white space around it. */
  readonly path: string;
  /** How often the file is looked at. @defaultValue 1 s */
  readonly refreshMs?: number | undefined;
  readonly clock?: Clock;
}

/**
 * A bearer token in a file that somebody replaces from time to time. It is read again when the file has changed. While it
 * cannot be read, or holds no token, the last one goes on being sent: a file that is being replaced must not fail a call.
 */
export class TokenFile implements Authorization {
  readonly #path: string;
  readonly #refreshMs: number;
  readonly #clock: Clock;
  #header = '';
  /** By what a change of the file would show. */
  #version = '';
  #lookedAtMs = -Infinity;
  #looking: Promise<string> | undefined;

  private constructor({ path, refreshMs = 1_000, clock = systemClock }: TokenFileOptions) {
    this.#path = path;
    this.#refreshMs = refreshMs;
    this.#clock = clock;
  }

  /** Rejects as reading the file does; throws INVALID_ARGUMENT if it holds no token. */
  static async open(options: TokenFileOptions): Promise<TokenFile> {
    const file = new TokenFile(options);
    await file.#read();
    return file;
  }

  header(): string | Promise<string> {
    if (this.#clock.now() - this.#lookedAtMs < this.#refreshMs) return this.#header;
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  distrust(): void {
    this.#lookedAtMs = -Infinity;
  }

  async #look(): Promise<string> {
    await this.#read().catch(() => undefined);
    return this.#header;
  }

  async #read(): Promise<void> {
    this.#lookedAtMs = this.#clock.now();
    // Looked at first: a change in between shows the next time.
    const { ino, size, mtimeMs } = await stat(this.#path);
    const version = `${ino} ${size} ${mtimeMs}`;
    if (version === this.#version) return;
    this.#header = bearerHeader(await readFile(this.#path, 'utf8'));
    this.#version = version;
  }
}
