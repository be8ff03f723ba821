import type { z } from 'zod';
import { didYouMean } from '../common/did-you-mean.js';
import { ConfigError, type ConfigFault } from './config-fault.js';
import { knownKeys } from './known-keys.js';
import { type YamlTreeOptions, YamlTree, kebabCase } from './yaml-tree.js';

/** What {@link parseYaml} expects. */
export interface ParseYamlOptions<Data> extends YamlTreeOptions {
  /** For messages. */
  readonly fileName: string;
  readonly schema: z.ZodType<Data>;
}

/** Parses a YAML file of some schema. Throws {@link ConfigError} with everything that is wrong with it. */
export function parseYaml<Data>(
  text: string,
  { fileName, schema, ...options }: ParseYamlOptions<Data>,
): { readonly data: Data; readonly tree: YamlTree } {
  const tree = new YamlTree(text, options);
  if (tree.faults.length > 0) throw new ConfigError(fileName, tree.faults);
  const result = schema.safeParse(tree.root);
  if (result.success) return { data: result.data, tree };
  throw new ConfigError(
    fileName,
    result.error.issues.flatMap((issue) => faultsOf(issue, tree, schema)),
  );
}

function faultsOf(issue: z.core.$ZodIssue, tree: YamlTree, schema: z.core.$ZodType): ConfigFault[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path, tree.root);
    return issue.keys.map((key) => ({
      position: tree.positionOfKey(path, key),
      message: `Unknown key ${JSON.stringify(kebabCase(key))}${suggestion(key, known)}`,
    }));
  }
  // A tagged map's type is its tag, which stands where the map does.
  const place = path.at(-1) === 'type' ? path.slice(0, -1) : path;
  const text = placeText(place);
  return [{ position: tree.positionOf(place), message: `${text}${text ? ': ' : ''}${messageOf(issue)}` }];
}

/** A path as a file's author sees it: `instances[0].services[2].storage`. */
export function placeText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return `${text}${text ? '.' : ''}${kebabCase(String(step))}`;
  }, '');
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && issue.path.at(-1) === 'type' && 'options' in issue) {
    return `one of these tags is wanted here: ${(issue.options as string[]).map((tag) => `!${tag}`).join(', ')}`;
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) return 'is missing';
  return issue.message.replace(/^Invalid input: /, '');
}

function suggestion(key: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const names = known.map(kebabCase).sort();
  const meant = didYouMean(kebabCase(key), names);
  return `${meant === undefined ? '.' : `; did you mean ${JSON.stringify(meant)}?`} Known here: ${names.join(', ')}`;
}
