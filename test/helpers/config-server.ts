import { parseServerConfig } from '../../src/config/parse-server-config.js';
import { runServer } from '../../src/server/run-server.js';
import { RecordingLogger } from './recording-logger.js';

/** What a {@link ConfigServer} may be told besides its file. */
export interface ConfigServerOptions {
  /** What `!expand-path` knows. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A server in this process that does what a configuration file says. Disposal stops it gracefully. */
export class ConfigServer implements AsyncDisposable {
  /** Its endpoints, in the order in which they began to serve. */
  readonly urls: readonly [string, ...string[]];
  readonly logger: RecordingLogger;
  readonly #stop: () => Promise<void>;

  private constructor(urls: readonly [string, ...string[]], logger: RecordingLogger, stop: () => Promise<void>) {
    this.urls = urls;
    this.logger = logger;
    this.#stop = stop;
  }

  /** Serves the text of a file, or only its `instances` on a free port of the loopback; rejects if it cannot start. */
  static async start(text: string, { environment = {} }: ConfigServerOptions = {}): Promise<ConfigServer> {
    const whole = /^server:/m.test(text) ? text : `${loopback}${text}`;
    const config = parseServerConfig(whole, 'test.yml', environment);
    const logger = new RecordingLogger();
    const stopping = new AbortController();
    const urls: string[] = [];
    let serves!: () => void;
    const serving = new Promise<void>((resolve) => (serves = resolve));
    const onListening = (url: string): void => {
      if (urls.push(url) === config.server.length) serves();
    };
    const running = runServer({ config, logger, onListening }, stopping.signal);
    await Promise.race([serving, running]);
    const stop = async (): Promise<void> => {
      stopping.abort();
      await running;
    };
    return new ConfigServer(urls as [string, ...string[]], logger, stop);
  }

  /** The first endpoint. */
  get url(): string {
    return this.urls[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

const loopback = 'server:\n  - !channel {address: 127.0.0.1, port: 0}\n';
