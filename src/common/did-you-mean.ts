import { closest, distance } from 'fastest-levenshtein';

/** Which of the words was probably meant, if one is near enough to be a slip of the finger. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const candidate = closest(word, [...known]);
  const isNear = distance(word, candidate) <= Math.max(1, Math.floor(word.length / 3));
  return isNear || sorted(word) === sorted(candidate) ? candidate : undefined;
}

/** Letters that have changed places count twice as a distance, but are the commonest slip. */
const sorted = (word: string): string => Array.from(word).sort().join('');
