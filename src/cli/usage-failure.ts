import { didYouMean } from '../common/did-you-mean.js';
import { CliFailure } from './cli-failure.js';

/** A flag of a command, as far as it is typed. */
interface KnownFlag {
  readonly char?: string | undefined;
  readonly aliases?: readonly string[] | undefined;
}

/** The command line that did not fit, and what would. */
export interface Usage {
  /** As it is typed, such as `bgd cas upload-dir`. */
  readonly command: string;
  readonly argv: readonly string[];
  readonly flags: Readonly<Record<string, KnownFlag>>;
  /** Whether the words may end in another command, with flags of its own. */
  readonly isOpen: boolean;
}

/**
 * Says what is wrong with the words behind a command. oclif looks at arguments first and takes the value of a misspelt
 * flag for one, so flags are looked at here before its reason is believed.
 */
export function usageFailure(reason: unknown, { command, argv, flags, isOpen }: Usage): CliFailure {
  const hint = `See ${command} --help`;
  const word = unknownFlag(argv, flags);
  if (word !== undefined) {
    const meant = didYouMean(word, ['--json', ...Object.keys(flags).map((name) => `--${name}`)]);
    const suggestion = meant === undefined ? '.' : `; did you mean ${meant}?`;
    const boundary = isOpen ? ' Flags of CMD go behind "--".' : '';
    return CliFailure.ofUsage(`Unknown flag: ${word}${suggestion}${boundary} ${hint}`);
  }
  if (reason instanceof Error && 'args' in reason && reason.message.startsWith('Missing')) {
    const names = (reason.args as readonly { readonly name: string }[]).map(({ name }) => name.toUpperCase());
    return CliFailure.ofUsage(`${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} missing. ${hint}`);
  }
  const message = reason instanceof Error ? reason.message : String(reason);
  return CliFailure.ofUsage(message.replace('See more help with --help', hint));
}

/** The first word that looks like a flag and is none. What follows `--` is none. */
function unknownFlag(argv: readonly string[], flags: Usage['flags']): string | undefined {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const chars = new Set(Object.values(flags).map(({ char }) => char));
  const names = new Set(Object.entries(flags).flatMap(([name, { aliases = [] }]) => [name, ...aliases]));
  const words = argv.slice(0, end).map((word) => word.replace(/=.*$/s, ''));
  return words.find((word) => {
    if (word.startsWith('--')) return word !== '--json' && !names.has(word.slice(2));
    return /^-\D/.test(word) && !chars.has(word[1]);
  });
}
