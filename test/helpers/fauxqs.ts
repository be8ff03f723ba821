import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { repositoryRoot } from './repository.js';

const program = `
  import { buildApp } from 'fauxqs';
  const app = buildApp({ logger: false });
  console.log(await app.listen({ port: 0, host: '127.0.0.1' }));
  process.stdin.on('end', () => process.exit()).resume();
`;

/** An S3 service in a process of its own, in memory, on the loopback. Whatever the keys are, it lets one in. */
export class Fauxqs implements AsyncDisposable {
  readonly endpoint: string;
  readonly #child: ChildProcess;

  private constructor(endpoint: string, child: ChildProcess) {
    this.endpoint = endpoint;
    this.#child = child;
  }

  static async start(): Promise<Fauxqs> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: repositoryRoot,
      env: { PATH: process.env['PATH'] ?? '' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return new Fauxqs(String(line).trim(), child);
  }

  async createBucket(name: string): Promise<void> {
    const response = await fetch(`${this.endpoint}/${name}`, { method: 'PUT' });
    if (!response.ok) throw new Error(`Bucket ${name} was not made: ${response.status}`);
  }

  /** Names of the objects in a bucket, and how long each is. */
  async objects(bucket: string): Promise<ReadonlyMap<string, number>> {
    const listing = await (await fetch(`${this.endpoint}/${bucket}`)).text();
    const objects = listing.matchAll(/<Key>(.*?)<\/Key>.*?<Size>(\d+)<\/Size>/gs);
    return new Map([...objects].map(([, key = '', size]) => [key, Number(size)]));
  }

  /** Puts an object as somebody else would. */
  async put(bucket: string, key: string, bytes: Uint8Array): Promise<void> {
    const response = await fetch(`${this.endpoint}/${bucket}/${key}`, { method: 'PUT', body: Buffer.from(bytes) });
    if (!response.ok) throw new Error(`Object ${key} was not put: ${response.status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill();
    await ended;
  }
}
