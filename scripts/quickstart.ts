import { access, constants, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lifecycle } from '../src/common/lifecycle.js';
import { type Job, compileJob, countingJob } from './quickstart/jobs.js';
import { print, printHeading, step } from './quickstart/steps.js';
import { SpawnedCommand } from './spawned-command.js';

// Shows the whole system at work: builds bgd, starts a server and a worker as processes of their own in a temporary folder,
// has a job done remotely, twice, and leaves nothing behind, also when it is interrupted.

const root = join(import.meta.dirname, '..');
const bgd = [process.execPath, join(root, 'bin/run.js')] as const;
const stopping = new AbortController();

/** Thrown where the work stops because of a signal. */
class Interrupted extends Error {}

/** Waits for `promise`, but no longer than until a signal arrives. */
function unlessStopped<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new Interrupted());
    if (stopping.signal.aborted) stop();
    stopping.signal.addEventListener('abort', stop);
    promise.then(resolve, reject).finally(() => stopping.signal.removeEventListener('abort', stop));
  });
}

/** Runs a command to its end and returns what it printed on stdout. */
async function run(command: readonly [string, ...string[]], cwd: string): Promise<string> {
  await using child = new SpawnedCommand(command, { cwd, graceMs: 2_000 });
  const exitCode = await unlessStopped(child.ended);
  if (exitCode !== 0) throw new Error(`${command.join(' ')} exited with ${exitCode}\n${child.stdout}${child.stderr}`);
  return child.stdout.trim();
}

function start(lifecycle: Lifecycle, ...args: readonly string[]): SpawnedCommand {
  return lifecycle.use(new SpawnedCommand([...bgd, ...args], { graceMs: 5_000 }));
}

async function hasCompiler(): Promise<boolean> {
  const folders = ['/usr/local/bin', '/usr/bin', '/bin'];
  const found = await Promise.allSettled(folders.map((folder) => access(join(folder, 'gcc'), constants.X_OK)));
  return found.some(({ status }) => status === 'fulfilled');
}

/** Does all of `job` once, with its outputs below `folder`. */
async function doJob(job: Job, remote: string, folder: string): Promise<void> {
  for (const { title, inputs, output, command } of job.steps) {
    const outputs = output === undefined ? [] : ['--output-path', output.path, '--output-directory', output.folder];
    if (output) await mkdir(join(folder, output.folder), { recursive: true });
    await step(title, async () => {
      const execute = [
        'execute',
        'command',
        '--remote',
        remote,
        '--json',
        ...outputs,
        inputs,
        '--',
        ...command,
      ] as const;
      const result = JSON.parse(await run([...bgd, ...execute], folder)) as { cached: boolean; stdout?: string };
      const printed = result.stdout?.trim();
      return `${result.cached ? 'from the cache' : 'by the worker'}${printed ? `: ${printed}` : ''}`;
    });
  }
}

async function writeSources(job: Job, folder: string): Promise<void> {
  await mkdir(join(folder, 'sources'), { recursive: true });
  for (const [name, text] of Object.entries(job.sources)) await writeFile(join(folder, 'sources', name), text);
}

async function showAll(lifecycle: Lifecycle): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bgd-quickstart-'));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  // For whatever the commands leave behind when they are interrupted.
  process.env['TMPDIR'] = folder;
  await step('Build bgd', async () => {
    await run([process.execPath, '--import', 'tsx', 'scripts/generate-protos.ts'], root);
    await run([process.execPath, '--import', 'tsx', 'scripts/build.ts'], root);
    return run([...bgd, '--version'], root);
  });
  let url = '';
  await step('Start a server', async () => {
    const server = start(lifecycle, 'server', 'start', '--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data'));
    [, url = ''] = await unlessStopped(server.match('stdout', /^listening on (\S+)$/m));
    return url;
  });
  await step('Start a worker', async () => {
    const work = join(folder, 'worker');
    const bot = start(lifecycle, 'bot', 'host-tools', '--remote', url, '--concurrency', '2', '--work-dir', work);
    await unlessStopped(bot.match('stderr', /connected to/));
    return 'two actions at a time';
  });
  const job = (await hasCompiler()) ? compileJob : countingJob;
  for (const [name, heading] of Object.entries({ first: job.heading, second: job.headingAgain })) {
    const place = join(folder, name);
    await writeSources(job, place);
    printHeading(heading);
    await doJob(job, url, place);
  }
}

async function main(): Promise<number> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());
  const lifecycle = new Lifecycle();
  try {
    await showAll(lifecycle);
    await step('Stop the worker and the server, remove the temporary folder', async () => {
      await lifecycle[Symbol.asyncDispose]();
      return '';
    });
  } catch (reason) {
    await lifecycle[Symbol.asyncDispose]();
    if (!(reason instanceof Interrupted)) throw reason;
    print('Interrupted; nothing was left behind.');
    return 130;
  }
  printHeading('Go on by yourself, each in a terminal of its own:');
  print('  node bin/run.js server start');
  print('  node bin/run.js bot host-tools --remote grpc://localhost:50051');
  print('  node bin/run.js execute command --output-path hello . -- gcc hello.c -o hello');
  print('README.md says more, for one how Bazel builds with it.');
  return 0;
}

try {
  process.exitCode = await main();
} catch (reason) {
  console.error(reason instanceof Error ? reason.message : reason);
  process.exitCode = 1;
}
