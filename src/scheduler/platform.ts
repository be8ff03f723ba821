/** A name and one of the values that a worker must offer under it. */
export interface PlatformProperty {
  readonly name: string;
  readonly value: string;
}

/** What an Action asks of a worker: all of it must be offered (RW-11). */
export type Platform = readonly PlatformProperty[];

/** What a bot offers: under each name the values that it has. */
export interface OfferedProperties {
  readonly values: Readonly<Record<string, readonly string[]>>;
  /** Names under which it takes any value. */
  readonly wildcards: readonly string[];
}

/** The same text for the same demands, however they were ordered: queued Jobs are kept by it. */
export function platformKeyOf(platform: Platform): string {
  const pairs = new Map(platform.map(({ name, value }) => [JSON.stringify([name, value]), true]));
  return `[${[...pairs.keys()].sort().join(',')}]`;
}

/** The inverse of {@link platformKeyOf}. */
export function platformOfKey(key: string): Platform {
  return (JSON.parse(key) as [string, string][]).map(([name, value]) => ({ name, value }));
}

/** The demands of `platform` that a bot does not meet; none means that it fits. */
export function unmetBy(offered: OfferedProperties, platform: Platform): Platform {
  return platform.filter(
    ({ name, value }) => !offered.wildcards.includes(name) && !valuesOf(offered, name).includes(value),
  );
}

/** Whether a bot meets all the demands behind a {@link platformKeyOf}. */
export function fits(offered: OfferedProperties, platformKey: string): boolean {
  return unmetBy(offered, platformOfKey(platformKey)).length === 0;
}

/** Whether a bot offers any value under `name`. */
export function knowsName(offered: OfferedProperties, name: string): boolean {
  return offered.wildcards.includes(name) || valuesOf(offered, name).length > 0;
}

/** `"pool"="gpu"`, for messages. */
export function describePlatform(platform: Platform): string {
  if (platform.length === 0) return 'no properties';
  return platform.map(({ name, value }) => `${JSON.stringify(name)}=${JSON.stringify(value)}`).join(', ');
}

function valuesOf({ values }: OfferedProperties, name: string): readonly string[] {
  return Object.hasOwn(values, name) ? (values[name] ?? []) : [];
}
