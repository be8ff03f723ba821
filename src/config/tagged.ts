import { z } from 'zod';

const knownTags = new Set<string>();

/** Tags whose map describes an object. */
export const configTags: ReadonlySet<string> = knownTags;

/** The schema that {@link tagged} makes. */
type Tagged<Type extends string, Shape> = z.ZodObject<
  { type: z.ZodLiteral<Type>; node: z.ZodInt } & Shape,
  z.core.$strict
>;

/** What every tagged map has: the tag's name, and an identity that stays the same for all aliases of an anchor. */
export function tagged<Type extends string, Shape extends z.ZodRawShape>(
  type: Type,
  shape: Shape,
): Tagged<Type, Shape> {
  knownTags.add(type);
  return z.strictObject({ type: z.literal(type), node: z.int(), ...shape });
}
