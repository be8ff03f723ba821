import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runBgd } from '../helpers/bgd-process.js';
import { repositoryRoot } from '../helpers/repository.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const run = promisify(execFile);

interface Flag {
  readonly type: 'boolean' | 'option';
  readonly char?: string;
  readonly env?: string;
  readonly multiple?: boolean;
  readonly summary?: string;
  readonly description?: string;
}

interface Command {
  readonly summary?: string;
  readonly description?: string;
  readonly examples?: readonly string[];
  readonly args: Readonly<Record<string, { readonly required?: boolean; readonly description?: string }>>;
  readonly flags: Readonly<Record<string, Flag>>;
}

async function readManifest(): Promise<Readonly<Record<string, Command>>> {
  const text = await readFile(join(repositoryRoot, 'oclif.manifest.json'), 'utf8');
  return (JSON.parse(text) as { readonly commands: Readonly<Record<string, Command>> }).commands;
}

/** What scripts can hold on to, in a few lines a command. */
function interfaceOf({ args, flags }: Command): object {
  const argTexts = Object.entries(args).map(([name, { required }]) => (required === true ? name : `[${name}]`));
  const flagTexts = Object.entries(flags).map(([name, { type, char, env, multiple }]) =>
    [`--${name}`, char && `-${char}`, type === 'option' && 'VALUE', multiple && '...', env].filter(Boolean).join(' '),
  );
  return { args: argTexts, flags: flagTexts.sort() };
}

describe('The command line', () => {
  it('has exactly the commands, arguments and flags of the snapshot', async () => {
    const commands = await readManifest();
    const snapshot = await readFile(join(repositoryRoot, 'test/fixtures/command-snapshot.json'), 'utf8');

    const found = Object.fromEntries(Object.entries(commands).map(([id, command]) => [id, interfaceOf(command)]));

    assert.deepEqual(found, JSON.parse(snapshot), `If the change is wanted:\n${JSON.stringify(found, null, 2)}`);
  });

  it('explains every command, argument and flag, and shows examples', async () => {
    for (const [id, { summary, description, examples = [], args, flags }] of Object.entries(await readManifest())) {
      assert.ok(summary && description && examples.length > 0, `${id} is not explained`);
      for (const [name, arg] of Object.entries(args)) assert.ok(arg.description, `${id}: ${name} is not explained`);
      for (const [name, flag] of Object.entries(flags)) {
        assert.ok(flag.summary ?? flag.description, `${id}: --${name} is not explained`);
      }
    }
  });

  it('gives every flag the environment variable of its name, but for --json and lists', async () => {
    for (const [id, { flags }] of Object.entries(await readManifest())) {
      for (const [name, { env, multiple }] of Object.entries(flags)) {
        // oclif would give a list from a variable as one text.
        const isWithout = name === 'json' || multiple === true;
        const wanted = isWithout ? undefined : `BGD_${name.toUpperCase().replaceAll('-', '_')}`;
        assert.equal(env, wanted, `${id}: --${name}`);
      }
    }
  });

  it('has completions for bash, zsh and fish that know all of it', async () => {
    const script = join(repositoryRoot, 'scripts/generate-completions.ts');

    await run(process.execPath, ['--import', 'tsx', script, '--check'], { cwd: repositoryRoot });
  });

  it('tells its version alone, without loading anything else', async () => {
    await using home = await temporaryDirectory();

    const { code, stdout } = await runBgd(['--version'], { home: home.path });

    const { version } = JSON.parse(await readFile(join(repositoryRoot, 'package.json'), 'utf8')) as { version: string };
    assert.deepEqual(
      [code, stdout],
      [0, `bgd/${version} ${process.platform}-${process.arch} node-${process.version}\n`],
    );
  });

  it('shows the help of every command', async () => {
    await using home = await temporaryDirectory();

    for (const id of Object.keys(await readManifest())) {
      const { code, stdout } = await runBgd([...id.split(':'), '--help'], { home: home.path });
      assert.equal(code, 0, id);
      assert.match(stdout, /\nUSAGE\n {2}\$ bgd .*[\s\S]*\nEXAMPLES\n/, id);
    }
  });

  it('takes -h for --help', async () => {
    await using home = await temporaryDirectory();

    for (const args of [['-h'], ['cas', '-h'], ['cas', 'upload-dir', '-h']]) {
      const { code, stdout } = await runBgd(args, { home: home.path });
      assert.equal(code, 0);
      assert.match(stdout, /\nUSAGE\n/);
    }
  });

  it('says in one line that stdout is full', async () => {
    await using home = await temporaryDirectory();
    const bgd = join(repositoryRoot, 'bin/run.js');

    await assert.rejects(
      run('sh', ['-c', '"$0" "$1" --help >/dev/full', process.execPath, bgd], { env: { HOME: home.path } }),
      { code: 1, stderr: /^Error: Cannot write to stdout: .*no space left.*\n$/ },
    );
  });

  const mistakes = [
    { args: ['frobnicate'], message: 'Unknown command: bgd frobnicate. See bgd --help' },
    { args: ['csa', 'upload-dir', '.'], message: 'Unknown command: bgd csa; did you mean bgd cas? See bgd --help' },
    { args: ['help', 'nope'], message: 'Unknown command: bgd nope. See bgd --help' },
    { args: ['cas', 'frobnicate'], message: 'Unknown command: bgd cas frobnicate. See bgd cas --help' },
    {
      args: ['cas', 'uplod-dir', 'a:b'],
      message: 'Unknown command: bgd cas uplod-dir; did you mean bgd cas upload-dir? See bgd cas --help',
    },
    { args: ['capabilities', 'extra'], message: 'Unexpected argument: extra. See bgd capabilities --help' },
    { args: ['capabilities', '--frobnicate'], message: 'Unknown flag: --frobnicate. See bgd capabilities --help' },
    {
      args: ['cas', 'upload-file', '--remot', 'x', 'y'],
      message: 'Unknown flag: --remot; did you mean --remote? See bgd cas upload-file --help',
    },
    {
      args: ['execute', 'command', '.', 'gcc', '-o', 'x'],
      message: 'Unknown flag: -o. Flags of CMD go behind "--". See bgd execute command --help',
    },
    { args: ['cas', 'download-dir'], message: 'DIGEST and DIRECTORY are missing. See bgd cas download-dir --help' },
    { args: ['operation', 'status'], message: 'NAME is missing. See bgd operation status --help' },
    {
      args: ['bot', 'host-tools', '--concurrency', 'x'],
      message: '--concurrency: Expected an integer but received: x. See bgd bot host-tools --help',
    },
    {
      args: ['cas', '--frobnicate'],
      message: 'bgd cas wants a sub-command before --frobnicate; bgd cas --help lists them',
    },
  ];
  for (const { args, message } of mistakes) {
    it(`answers "bgd ${args.join(' ')}" with one line and 2`, async () => {
      await using home = await temporaryDirectory();

      const { code, stdout, stderr } = await runBgd(args, { home: home.path });

      assert.deepEqual({ code, stdout, stderr }, { code: 2, stdout: '', stderr: `Error: ${message}\n` });
    });
  }
});
