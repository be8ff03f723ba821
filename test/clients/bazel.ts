import { existsSync } from 'node:fs';
import { chmod, copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpawnedCommand } from '../../scripts/spawned-command.js';
import { leaveOut, needsProgram } from '../helpers/capabilities.js';
import { folderContents } from '../helpers/folder-contents.js';
import { repositoryRoot } from '../helpers/repository.js';

/** One invocation of Bazel that has ended. */
export interface BazelRun {
  readonly exitCode: number;
  /** What it told the user. */
  readonly output: string;
  /** Its own closing line, `INFO: N processes: …`. */
  readonly summary: string;
  /** How many processes the summary counts of each kind, such as `remote` or `remote cache hit`. */
  readonly processes: ReadonlyMap<string, number>;
  /** Spawned processes that no cache answered, as `MNEMONIC first-output`. */
  readonly ran: readonly string[];
}

interface SpawnRecord {
  readonly mnemonic: string;
  readonly remoteCacheHit: boolean;
  readonly listedOutputs: readonly string[];
}

/** A Bazel of one version. */
export interface BazelVersion {
  readonly name: string;
  /** The program. {@link Bazel.create} copies one that is a path, for npm installs it without leave to run. */
  readonly program: string;
  /** What only this version understands. */
  readonly flags: readonly string[];
}

/** Debian's package bazel-bootstrap. */
export const bazel4: BazelVersion = {
  name: 'Bazel 4.2.3',
  program: 'bazel',
  flags: ['--experimental_ui_max_stdouterr_bytes=2000000'],
};

/** npm's package \@bazel/bazel. */
export const bazel2: BazelVersion = {
  name: 'Bazel 2.1.0',
  program: join(repositoryRoot, 'node_modules/@bazel/bazel-linux_x64/bazel-2.1.0-linux-x86_64'),
  flags: [],
};

/** Skips the suite or test of `context` where this machine lacks the program. */
export function needsBazel(context: Mocha.Context, { name, program }: BazelVersion): void {
  const leftOut = `what a real ${name} keeps and builds`;
  if (!program.includes('/')) needsProgram(context, program, leftOut);
  else if (!existsSync(program)) leaveOut(context, name, `${leftOut} (npm has none for this machine)`);
}

/** Links and lists of absolute paths into the output base. */
const notPortable = /\.runfiles(_manifest|\/)|_solib_/;

const fixtures = join(repositoryRoot, 'test/fixtures/bazel');

/** Repositories that Bazel would fetch from the network for any C++ rule or test. */
const stubs = ['rules_cc', 'rules_java', 'rules_proto', 'remote_coverage_tools'];

const flags = [
  '--symlink_prefix=/', // No links in the workspace: another output base would walk them as part of //...
  '--nosandbox_debug', // Debian's bazelrc sets it.
  '--color=no',
  '--curses=no',
  '--noshow_loading_progress',
  ...stubs.map((name) => `--override_repository=${name}=${join(fixtures, 'stubs', name)}`),
];

/** Bazel over the sample workspace with everything that it keeps below one folder. Disposal ends its own server. */
export class Bazel implements AsyncDisposable {
  readonly #folder: string;
  readonly #version: BazelVersion;
  #runs = 0;

  private constructor(folder: string, version: BazelVersion) {
    this.#folder = folder;
    this.#version = version;
  }

  /** Copies the workspace into `folder`, which is made. */
  static async create(folder: string, version: BazelVersion): Promise<Bazel> {
    await mkdir(join(folder, 'home'), { recursive: true });
    await cp(join(fixtures, 'workspace'), join(folder, 'workspace'), { recursive: true });
    const { program } = version;
    if (!program.includes('/')) return new Bazel(folder, version);
    const copy = join(folder, 'bazel');
    await copyFile(program, copy);
    await chmod(copy, 0o755);
    return new Bazel(folder, { ...version, program: copy });
  }

  /** `bazel-out`: what the last run built, as far as it was downloaded. */
  get outputs(): string {
    return join(this.#folder, 'output/execroot/sample/bazel-out');
  }

  /** What the last run built by its path, less what names the folder that it was built in. */
  async built(): Promise<Map<string, string>> {
    const contents = new Map<string, string>();
    for (const configuration of ['k8-fastbuild', 'host']) {
      const found = await folderContents(join(this.outputs, configuration, 'bin'));
      for (const [path, content] of found) {
        if (!notPortable.test(path)) contents.set(`${configuration}/${path}`, content);
      }
    }
    return contents;
  }

  /** Changes a source file of the copy. */
  async edit(path: string, change: (source: string) => string): Promise<void> {
    const file = join(this.#folder, 'workspace', path);
    await writeFile(file, change(await readFile(file, 'utf8')));
  }

  /** Runs `bazel test`, which builds first. */
  async test(...args: readonly string[]): Promise<BazelRun> {
    const log = join(this.#folder, `spawns-${++this.#runs}.json`);
    const bazel = this.#start('test', ...flags, ...this.#version.flags, `--execution_log_json_file=${log}`, ...args);
    const exitCode = await bazel.ended;
    const output = bazel.stdout + bazel.stderr;
    const summary = /^INFO: \d+ process(es)?.*$/m.exec(output)?.[0] ?? '';
    return { exitCode, output, summary, processes: countsOf(summary), ran: await ranOf(log) };
  }

  /** Runs `bazel clean`: the outputs and what Bazel itself knows of them are gone. */
  async clean(): Promise<void> {
    const bazel = this.#start('clean', '--symlink_prefix=/');
    if ((await bazel.ended) !== 0) throw new Error(bazel.stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#start('shutdown').ended;
  }

  #start(command: string, ...args: readonly string[]): SpawnedCommand {
    const startup = [`--output_user_root=${this.#folder}/user`, `--output_base=${this.#folder}/output`];
    return new SpawnedCommand([this.#version.program, ...startup, '--max_idle_secs=600', command, ...args], {
      cwd: join(this.#folder, 'workspace'),
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: join(this.#folder, 'home'), LANG: 'C.UTF-8' },
    });
  }
}

function countsOf(summary: string): ReadonlyMap<string, number> {
  const counts = [...summary.matchAll(/(\d+) ([a-z][a-z ]*[a-z])(?=[,.])/g)];
  return new Map(counts.map(([, count, kind]) => [kind ?? '', Number(count)]));
}

/** The log is JSON objects one right after the other. */
async function ranOf(log: string): Promise<string[]> {
  // There is none when Bazel gave up before it ran anything.
  const text = existsSync(log) ? await readFile(log, 'utf8') : '';
  const spawns = JSON.parse(`[${text.replaceAll('\n}{\n', '\n},{\n')}]`) as readonly SpawnRecord[];
  return spawns
    .filter(({ remoteCacheHit }) => !remoteCacheHit)
    .map(({ mnemonic, listedOutputs }) => `${mnemonic} ${listedOutputs[0] ?? ''}`);
}
