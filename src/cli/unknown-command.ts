import { didYouMean } from '../common/did-you-mean.js';

/**
 * Says what is wrong with words that name no command: the last that could be one is misspelt, or a command has got an
 * argument that it does not take. `ids` are those of all commands, such as `cas:upload-dir`.
 */
export function unknownCommand(words: readonly string[], ids: readonly string[]): string {
  const command = ids.find((id) => `${words.join(':')}:`.startsWith(`${id}:`));
  if (command !== undefined) {
    const name = `bgd ${command.replaceAll(':', ' ')}`;
    return `Unexpected argument: ${words.slice(command.split(':').length).join(' ')}. See ${name} --help`;
  }
  const [group = '', sub] = words;
  const subs = ids.flatMap((id) => (id.startsWith(`${group}:`) ? [id.slice(group.length + 1)] : []));
  const isGroup = sub !== undefined && subs.length > 0;
  const parent = isGroup ? `bgd ${group}` : 'bgd';
  const word = isGroup ? sub : group;
  const known = isGroup ? subs : [...new Set(ids.map((id) => id.split(':')[0] ?? ''))];
  const meant = didYouMean(word, known);
  const suggestion = meant === undefined ? '.' : `; did you mean ${parent} ${meant}?`;
  return `Unknown command: ${parent} ${word}${suggestion} See ${parent} --help`;
}
