interface Tagged {
  readonly type: string;
  readonly node: number;
}

/** Every map with the tag `type` within `value`, wherever it is, in the order of the file; one that aliases name too, once. */
export function taggedIn<Config extends Tagged>(value: unknown, type: Config['type']): readonly Config[] {
  return [...new Map(find<Config>(value, type).map((config) => [config.node, config])).values()];
}

function find<Config extends Tagged>(value: unknown, type: Config['type']): readonly Config[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap((each) => find<Config>(each, type));
  return 'type' in value && value.type === type ? [value as Config, ...below] : below;
}
