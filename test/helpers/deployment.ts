import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import type { BgdProcess, Ended } from './bgd-process.js';
import { BgdSite } from './bgd-site.js';
import { needsProgram } from './capabilities.js';
import { Fauxqs } from './fauxqs.js';
import { PostgresServer } from './postgres.js';
import { RedisServer } from './redis-server.js';
import { repositoryRoot } from './repository.js';

/** Never to be seen in what a process prints. */
const secret = 'not-to-be-seen';

type Environment = Readonly<Record<string, string>>;

/**
 * A server that runs a file of `docs/examples`, with real services for all that the file names. Only its ports are
 * replaced by free ones. Disposal ends everything.
 */
export class Deployment implements AsyncDisposable {
  /** Its files, and the commands that are run against it. */
  readonly site: BgdSite;
  /** The text of the example. */
  readonly text: string;
  readonly #lifecycle: Lifecycle;
  readonly #config: string;
  #environment: Environment = {};
  #server!: BgdProcess;
  #url = '';
  #httpUrl: string | undefined;
  #fauxqs: Fauxqs | undefined;

  private constructor(site: BgdSite, lifecycle: Lifecycle, { text, config }: { text: string; config: string }) {
    this.site = site;
    this.#lifecycle = lifecycle;
    this.text = text;
    this.#config = config;
  }

  /** Starts `docs/examples/NAME`, or skips the test of `context` where this machine lacks a program for it. */
  static async start(context: Mocha.Context, name: string): Promise<Deployment> {
    const text = exampleText(name);
    if (text.includes('!redis-storage')) needsProgram(context, 'redis-server', `what docs/examples/${name} runs`);
    const lifecycle = new Lifecycle();
    const site = lifecycle.use(await BgdSite.create());
    const config = await site.write(name, text.replace(/^( *)port: \d+$/gm, '$1port: 0'));
    const deployment = new Deployment(site, lifecycle, { text, config });
    try {
      await deployment.#startServices();
      await deployment.#startServer();
    } catch (reason) {
      await deployment[Symbol.asyncDispose]();
      throw reason;
    }
    return deployment;
  }

  /** The gRPC endpoint. */
  get url(): string {
    return this.#url;
  }

  /** The HTTP cache, where the file has one. */
  get httpUrl(): string | undefined {
    return this.#httpUrl;
  }

  /** The S3 service, where the file names one. Its buckets are `cas` and `cas-results`. */
  get s3(): Fauxqs {
    assert.ok(this.#fauxqs, 'The example names no S3 service');
    return this.#fauxqs;
  }

  /** Where blobs are: another endpoint, where this one has no CAS. */
  get casUrl(): string {
    return this.text.includes('- !cas') ? this.#url : (this.#environment['BGD_STORAGE_URL'] ?? '');
  }

  /** Runs a `bgd` command in the site's folder against this server, and returns what it printed. It must end well. */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryRun(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Runs a `bgd` command as {@link run} does, however it ends. */
  tryRun(...args: string[]): Promise<Ended> {
    const remote = args[0] === 'cas' ? this.casUrl : this.#url;
    return this.site.bgd(args, { BGD_REMOTE: remote }).ended;
  }

  /** Stops the server as an operator does, and starts it again on what it has kept. */
  async restart(): Promise<void> {
    await this.stop();
    await this.#startServer();
  }

  /** Stops the server as an operator does: it ends well, and has told no secret. */
  async stop(): Promise<void> {
    this.#server.kill('SIGTERM');
    const { code, stdout, stderr } = await this.#server.ended;
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr + stdout, /Warning:/);
    assert.ok(!(stderr + stdout).includes(secret));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifecycle[Symbol.asyncDispose]();
  }

  async #startServer(): Promise<void> {
    this.#server = this.site.bgd(
      ['server', 'start', this.#config, '--data-dir', this.site.path('data')],
      this.#environment,
    );
    this.#url = await this.#listening('grpc');
    if (this.text.includes('!http-cache')) this.#httpUrl = await this.#listening('http');
  }

  async #listening(scheme: string): Promise<string> {
    const [, port = ''] = await this.#server.output(
      'stdout',
      new RegExp(`^listening on ${scheme}://\\S*:(\\d+)$`, 'm'),
    );
    return `${scheme}://127.0.0.1:${port}`;
  }

  async #startServices(): Promise<void> {
    for (const [, variable = ''] of this.text.matchAll(/\$\{(BGD_\w+)\}/g)) {
      if (variable === 'BGD_DATA_DIR' || variable in this.#environment) continue;
      this.#environment = { ...this.#environment, ...(await this.#startService(variable)) };
    }
  }

  /** Starts what the variable stands for, and returns it with others that it goes together with. */
  async #startService(variable: string): Promise<Environment> {
    if (variable.startsWith('BGD_S3_')) return this.#startS3();
    if (variable.startsWith('BGD_REDIS_')) return this.#startRedis();
    if (variable === 'BGD_DATABASE') return this.#createDatabase();
    if (/^BGD_(STORAGE|FIRST|SECOND|SHARD_[AB])_URL$/.test(variable))
      return { [variable]: await this.#startStorage(variable) };
    throw new Error(`Nothing is known that could stand for ${variable} of the example: start it here`);
  }

  async #startS3(): Promise<Environment> {
    this.#fauxqs = this.#lifecycle.use(await Fauxqs.start());
    for (const bucket of ['cas', 'cas-results']) await this.#fauxqs.createBucket(bucket);
    const keys = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: secret };
    return { BGD_S3_ENDPOINT: this.#fauxqs.endpoint, BGD_S3_BUCKET: 'cas', ...keys };
  }

  async #startRedis(): Promise<Environment> {
    const redis = this.#lifecycle.use(await RedisServer.start());
    return { BGD_REDIS_HOST: '127.0.0.1', BGD_REDIS_PORT: String(redis.port) };
  }

  async #createDatabase(): Promise<Environment> {
    const url = await (await PostgresServer.shared()).createDatabase();
    return { BGD_DATABASE: url.replace('//bgd@', `//bgd:${secret}@`) };
  }

  /** Another server of ours, with blobs and action results on a disk. */
  async #startStorage(name: string): Promise<string> {
    const config = join(repositoryRoot, 'docs/examples/storage.yml');
    const { url } = await this.site.serve([config, '--data-dir', this.site.path(name)]);
    return url;
  }
}

/** What `docs/examples/NAME` says. */
function exampleText(name: string): string {
  return readFileSync(join(repositoryRoot, 'docs/examples', name), 'utf8');
}
