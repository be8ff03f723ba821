/** A text that is set; an empty one is not. */
export function textOf(text: string | null | undefined): string | undefined {
  return text === '' ? undefined : (text ?? undefined);
}
