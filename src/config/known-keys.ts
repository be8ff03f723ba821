import { z } from 'zod';

/** What every tagged map has, and nobody writes. */
const hidden = new Set(['type', 'node']);

/** The keys that `schema` knows in the object at `path` of `data`. */
export function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[], data: unknown): readonly string[] {
  const [step, ...rest] = path;
  if (isWrapper(schema)) return knownKeys(schema.unwrap(), path, data);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const type = propertyOf(data, 'type');
    const option = schema.options.find((each) => typeNameOf(each) === type);
    return option ? knownKeys(option, path, data) : [];
  }
  if (schema instanceof z.ZodArray && step !== undefined)
    return knownKeys(schema.element, rest, propertyOf(data, step));
  if (!(schema instanceof z.ZodObject)) return [];
  if (step === undefined) return Object.keys(shapeOf(schema)).filter((key) => !hidden.has(key));
  const property = shapeOf(schema)[String(step)];
  return property ? knownKeys(property, rest, propertyOf(data, step)) : [];
}

function isWrapper(schema: z.core.$ZodType): schema is z.ZodOptional | z.ZodDefault | z.ZodLazy {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodLazy;
}

function shapeOf(schema: z.ZodObject): z.core.$ZodShape {
  return schema.shape;
}

function typeNameOf(schema: z.core.$ZodType): unknown {
  const literal = schema instanceof z.ZodObject ? shapeOf(schema)['type'] : undefined;
  return literal instanceof z.ZodLiteral ? literal.value : undefined;
}

function propertyOf(data: unknown, key: PropertyKey): unknown {
  return typeof data === 'object' && data !== null ? (data as Record<PropertyKey, unknown>)[key] : undefined;
}
