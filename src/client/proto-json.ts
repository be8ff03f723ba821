import type { Field, Type } from 'protobufjs/light.js';

/** What JSON can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A decoded message; all have it, though their generated types keep it to themselves. */
interface Reflected {
  readonly $type?: Type;
}

/**
 * Returns `message` in protobuf's JSON form: lowerCamel names, enums by name, bytes as base64, 64-bit numbers as
 * strings, times as RFC 3339. Unset fields are left out. An Any shows its type and undecoded bytes.
 */
export function protoJson(message: object): JsonValue {
  const type = (message as Reflected).$type;
  if (!type) throw new TypeError('Only decoded messages have a JSON form');
  const wellKnown = wellKnownJson(type.name, message);
  if (type.fullName.startsWith('.google.protobuf.') && wellKnown !== undefined) return wellKnown;
  const entries = type.fieldsArray
    .filter((field) => Object.hasOwn(message, field.name))
    .map((field) => [field.name, fieldJson(field.resolve(), (message as Record<string, unknown>)[field.name])] as const)
    .filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0));
  return Object.fromEntries(entries);
}

function wellKnownJson(
  name: string,
  { seconds = 0, nanos = 0 }: { seconds?: number; nanos?: number },
): JsonValue | undefined {
  const fraction =
    nanos === 0
      ? ''
      : `.${String(nanos)
          .padStart(9, '0')
          .replace(/(000)+$/, '')}`;
  if (name === 'Timestamp') return new Date(seconds * 1000).toISOString().replace('.000Z', `${fraction}Z`);
  return name === 'Duration' ? `${seconds}${fraction}s` : undefined;
}

function fieldJson(field: Field, value: unknown): JsonValue {
  if (field.map) {
    const entries = Object.entries(value as Record<string, unknown>);
    return Object.fromEntries(entries.map(([key, item]) => [key, valueJson(field, item)]));
  }
  if (Array.isArray(value)) return value.map((item: unknown) => valueJson(field, item));
  return valueJson(field, value);
}

function valueJson({ type, resolvedType }: Field, value: unknown): JsonValue {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value !== null && typeof value === 'object') return protoJson(value);
  if (typeof value === 'number' && resolvedType && 'valuesById' in resolvedType) {
    return resolvedType.valuesById[value] ?? value;
  }
  return type.endsWith('64') ? String(value) : (value as JsonValue);
}
