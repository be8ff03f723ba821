import { Config } from '@oclif/core';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Writes completions/ for the bgd that is built: bash and zsh as oclif's own plugin makes them, fish from the manifest.
// With --check nothing is written; the exit code tells whether completions/ is what it would be.

const root = fileURLToPath(new URL('..', import.meta.url));

interface Flag {
  readonly name: string;
  readonly char?: string;
  readonly type: 'boolean' | 'option';
  readonly summary?: string;
  readonly description?: string;
  readonly options?: readonly string[];
  readonly hidden?: boolean;
}

interface Manifest {
  readonly commands: Readonly<
    Record<string, { readonly summary: string; readonly flags: Readonly<Record<string, Flag>> }>
  >;
}

interface Package {
  readonly oclif: { readonly topics: Readonly<Record<string, { readonly description: string }>> };
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(root, file), 'utf8'));
}

/** Plugins in the order of their names: by itself oclif takes them in the order in which they happen to be loaded. */
async function loadConfig(): Promise<Config> {
  const loaded = await Config.load({ root });
  const inOrder = [...loaded.plugins].sort(([left], [right]) => (left < right ? -1 : 1));
  return Config.load({ root: loaded.root, plugins: new Map(inOrder) });
}

/** The plugin writes into the user's cache; here that is a folder of its own. */
async function generateBashAndZsh(): Promise<Record<string, string>> {
  const cache = mkdtempSync(join(tmpdir(), 'bgd-completions-'));
  try {
    for (const name of ['HOME', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME']) process.env[name] = cache;
    const config = await loadConfig();
    await config.runCommand('autocomplete:create');
    const functions = join(cache, 'bgd/autocomplete/functions');
    return {
      'bgd.bash': readFileSync(join(functions, 'bash/bgd.bash'), 'utf8'),
      _bgd: readFileSync(join(functions, 'zsh/_bgd'), 'utf8'),
    };
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
}

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** A line of fish: `complete -c bgd -n CONDITION …`. */
function fishLine(condition: string, ...words: readonly string[]): string {
  return ['complete', '-c', 'bgd', '-n', quote(condition), ...words].join(' ');
}

function fishFlag(condition: string, { name, char, type, summary, description, options }: Flag): string {
  // -x offers nothing but the list, -r the files of the folder.
  const value = options ? ['-x', '-a', quote(options.join(' '))] : type === 'option' ? ['-r'] : [];
  const short = char === undefined ? [] : ['-s', char];
  return fishLine(condition, '-l', name, ...short, ...value, '-d', quote(summary ?? description ?? ''));
}

function generateFish(): string {
  const { commands } = readJson('oclif.manifest.json') as Manifest;
  const { topics } = (readJson('package.json') as Package).oclif;
  const lines = ['# Completions of bgd for fish, made by scripts/generate-completions.ts.', ''];
  for (const [topic, { description }] of Object.entries(topics)) {
    lines.push(fishLine('__fish_use_subcommand', '-f', '-a', topic, '-d', quote(description)));
  }
  for (const [id, { summary, flags }] of Object.entries(commands)) {
    const [topic = '', name] = id.split(':');
    const inTopic = `__fish_seen_subcommand_from ${topic}`;
    const place =
      name === undefined
        ? '__fish_use_subcommand'
        : `${inTopic}; and not __fish_seen_subcommand_from ${namesOf(commands, topic)}`;
    lines.push('', fishLine(place, '-f', '-a', name ?? topic, '-d', quote(summary)));
    const inCommand = name === undefined ? inTopic : `${inTopic}; and __fish_seen_subcommand_from ${name}`;
    for (const flag of Object.values(flags)) if (flag.hidden !== true) lines.push(fishFlag(inCommand, flag));
  }
  return `${lines.join('\n')}\n`;
}

function namesOf(commands: Manifest['commands'], topic: string): string {
  const ids = Object.keys(commands).filter((id) => id.startsWith(`${topic}:`));
  return ids.map((id) => id.slice(topic.length + 1)).join(' ');
}

function current(file: string): string {
  try {
    return readFileSync(join(root, 'completions', file), 'utf8');
  } catch {
    return '';
  }
}

const files = { ...(await generateBashAndZsh()), 'bgd.fish': generateFish() };
const stale = Object.entries(files).filter(([file, text]) => current(file) !== text);
if (!process.argv.includes('--check')) {
  mkdirSync(join(root, 'completions'), { recursive: true });
  for (const [file, text] of stale) writeFileSync(join(root, 'completions', file), text);
} else if (stale.length > 0) {
  console.error(`completions/ is not up to date (${stale.map(([file]) => file).join(', ')}): run npm run completions`);
  process.exitCode = 1;
}
