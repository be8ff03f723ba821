/** The first words of our own commands: BuildGrid's groups, whose options stood before the sub-command. */
export const groups: ReadonlySet<string> = new Set([
  'action-cache',
  'bot',
  'capabilities',
  'cas',
  'execute',
  'operation',
  'server',
]);

/** Options whose NAME and VALUE BuildGrid took as two words. */
const pairs = new Set(['-p', '--platform-property', '-w', '--worker-property']);

/** Options of groups that take no value. */
const isSwitch = (word: string): boolean => /^(-h|-v+|--help|--json|--verbose)$/.test(word);

/** How Click spells a boolean. */
const isBoolean = (word: string | undefined): boolean => /^(true|false|t|f|yes|no|y|n|on|off|1|0)$/i.test(word ?? '');

/**
 * Turns the forms of BuildGrid's command line into ours: `actioncache` becomes `action-cache`, `cleanup` becomes
 * `server cleanup`, options of a group go behind the sub-command, `-p NAME VALUE` becomes `-p NAME=VALUE`,
 * `--output-file PATH BOOL` loses its BOOL (files keep the mode they have on the worker), `cas` its `--verify` (which is
 * always done). Whatever follows `--` belongs to somebody else and stays as it is.
 */
export function normaliseArgv(argv: readonly string[]): string[] {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const [first = '', ...words] = argv.slice(0, end);
  if (first === 'cleanup') return ['server', ...argv];
  const group = first === 'actioncache' ? 'action-cache' : first;
  if (!groups.has(group)) return [...argv];
  const wanted = group === 'cas' ? words.filter((word) => word !== '--verify') : words;
  return [group, ...subCommandFirst(joinPairs(wanted)), ...argv.slice(end)];
}

function joinPairs(words: readonly string[]): string[] {
  const joined: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const [word = '', name, value] = words.slice(at, at + 3);
    joined.push(word);
    if (pairs.has(word) && name !== undefined && value !== undefined && !name.includes('=')) {
      joined.push(`${name}=${value}`);
      at += 2;
    } else if (word === '--output-file' && name !== undefined && isBoolean(value)) {
      joined.push(name);
      at += 2;
    }
  }
  return joined;
}

function subCommandFirst(words: readonly string[]): readonly string[] {
  let at = 0;
  for (let word = words[0]; word?.startsWith('-') === true; word = words[at]) {
    at += isSwitch(word) || word.includes('=') ? 1 : 2;
  }
  const subCommand = words[at];
  return subCommand === undefined ? words : [subCommand, ...words.slice(0, at), ...words.slice(at + 1)];
}
