import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

const source = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);

const prelude = `
  const { PackFolder } = await import(${source('blobstore/packs/pack-folder.js')});
  const { Digest } = await import(${source('digest/digest.js')});
  const path = process.argv[1];
  const blobOf = (text) => ({ data: Buffer.from(text), digest: Digest.of(Buffer.from(text)) });
  const print = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
  const outcomeOf = (promise) => promise.then(() => 'stored', (reason) => reason.code);
`;

/** What a program has printed, a JSON value a line. */
export interface Printed<T> {
  readonly values: readonly T[];
  /** The calls that strace has seen, a line each. */
  readonly calls: readonly string[];
}

/**
 * Starts `program` in a process of its own. It finds `PackFolder`, `blobOf`, `print` (a JSON value a line), `outcomeOf` and
 * `path`. It has one thread for the file system, so that calls can be counted.
 */
export function startProgram(path: string, program: string, wrapper: readonly string[] = []): ChildProcess {
  const node = ['--import', 'tsx', '--input-type=module', '-e', prelude + program, path];
  const [command = '', ...args] = [...wrapper, process.execPath, ...node];
  return spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
}

/** What strace does. */
export interface Tracing {
  /** The calls that it notes. */
  readonly traced: string;
  /** Which of them fail, in its own words. */
  readonly faults?: readonly string[];
  /** The one file whose calls are meant. */
  readonly file?: string;
}

/** Runs `program` under strace. */
export async function runTraced<T>(
  path: string,
  program: string,
  { traced, faults = [], file }: Tracing,
): Promise<Printed<T>> {
  const log = join(path, '..', 'strace.log');
  const injected = faults.flatMap((fault) => ['-e', `inject=${fault}`]);
  const chosen = file === undefined ? [] : ['-P', file];
  const child = startProgram(path, program, [
    'strace',
    '-f',
    '--seccomp-bpf',
    '-qq',
    '-y',
    '-e',
    `trace=${traced}`,
    ...injected,
    ...chosen,
    '-o',
    log,
  ]);
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`The program ended with ${code}: ${output}`);
  const calls = (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes(`<${path}`));
  await rm(log);
  return {
    values: output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as T),
    calls,
  };
}
