import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import {
  LineCounter,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { errnoOf } from '../common/status-error.js';
import type { ConfigFault, Position } from './config-fault.js';

/** Plain data of a YAML file. Objects of tagged maps have `type`, the tag's name, and `node`, their identity. */
export type Plain = string | number | boolean | null | undefined | readonly Plain[] | { readonly [key: string]: Plain };

/** Environment for `!expand-path` and `!read-file`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Tags of texts. */
const textTags = new Set(['expand-path', 'read-file']);

/** What a {@link YamlTree} is read with. */
export interface YamlTreeOptions {
  readonly environment: Environment;
  /** Tags that a map may have; others are faults. */
  readonly tags: ReadonlySet<string>;
  /** Tags that a map has without saying so: by the key that it stands under, and its own `type`. @defaultValue none */
  readonly implied?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * A YAML file as plain data, with the place of each part. Keys come out in camelCase, whether written with `-` or `_`. An
 * alias is the same object as its anchor, also after a schema has copied it: both have the same `node`.
 */
export class YamlTree {
  readonly root: Plain;
  readonly faults: readonly ConfigFault[];
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #text: string;
  readonly #options: YamlTreeOptions;
  readonly #faults: ConfigFault[] = [];
  readonly #converted = new Map<Node, Plain>();

  constructor(text: string, options: YamlTreeOptions) {
    this.#text = text;
    this.#options = options;
    this.#document = parseDocument(text, { lineCounter: this.#lines, logLevel: 'silent', uniqueKeys: true });
    for (const { message, pos } of this.#document.errors) {
      this.#faults.push({ position: this.#positionAt(pos[0]), message: message.split(' at line ')[0] ?? message });
    }
    this.root = this.#document.errors.length > 0 ? undefined : this.#convert(this.#document.contents);
    this.faults = this.#faults;
  }

  /** Where the value at `path` of {@link root} stands, or the innermost part of the path that is there. */
  positionOf(path: readonly PropertyKey[]): Position | undefined {
    let found: Node | null = this.#document.contents;
    for (const step of path) {
      const next = this.#childOf(found, step);
      if (!next) break;
      found = next;
    }
    return this.#positionAt(this.#startOf(found));
  }

  /** Where the key `key` of the map at `path` stands. */
  positionOfKey(path: readonly PropertyKey[], key: string): Position | undefined {
    const map = path.reduce<Node | null>((node, step) => this.#childOf(node, step), this.#document.contents);
    const target = this.#resolve(map);
    const pair = isMap(target) ? target.items.find((item) => camelCase(String(item.key)) === key) : undefined;
    return this.#positionAt((pair?.key as Node | undefined)?.range?.[0]) ?? this.positionOf(path);
  }

  /** A node's own range begins behind its tag, which may even stand on the line above. */
  #startOf(node: Node | null): number | undefined {
    const start = node?.range?.[0];
    return node?.tag?.startsWith('!') && start !== undefined ? this.#text.lastIndexOf(node.tag, start) : start;
  }

  #positionAt(offset: number | undefined): Position | undefined {
    if (offset === undefined) return undefined;
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #childOf(node: Node | null, step: PropertyKey): Node | null {
    const parent = this.#resolve(node);
    if (isSeq(parent)) return (parent.items[Number(step)] as Node | undefined) ?? null;
    if (!isMap(parent)) return null;
    const pair = parent.items.find((item) => camelCase(String(item.key)) === step);
    return (pair?.value as Node | undefined) ?? null;
  }

  #convert(node: Node | null, key = ''): Plain {
    const target = this.#resolve(node);
    if (!target) {
      if (node) this.#fault(node, 'The alias has no anchor above it');
      return undefined;
    }
    if (!this.#converted.has(target)) {
      // Held while its parts are converted, so that an anchor that contains itself ends.
      this.#converted.set(target, undefined);
      this.#converted.set(target, this.#convertTarget(target, key));
    }
    return this.#converted.get(target);
  }

  #convertTarget(node: Node, key: string): Plain {
    const tag = tagOf(node);
    if (isMap(node)) return this.#convertMap(node, tag ?? this.#impliedTag(node, key));
    if (isScalar(node) && tag !== undefined && textTags.has(tag)) return this.#convertText(node, tag);
    if (tag !== undefined) this.#fault(node, this.#faultOfTag(tag));
    if (isSeq(node)) return node.items.map((item) => this.#convert(item as Node));
    return isScalar(node) ? (node.value as Plain) : undefined;
  }

  /** A file comes without the white space around it: those of secrets end in a line end that is none of theirs. */
  #convertText(node: Scalar, tag: string): Plain {
    const text = expandPath(String(node.value), this.#options.environment);
    if (tag !== 'read-file') return text;
    try {
      return readFileSync(text, 'utf8').trim();
    } catch (reason) {
      this.#fault(node, `!read-file cannot read ${JSON.stringify(text)}: ${errnoOf(reason) ?? String(reason)}`);
      return undefined;
    }
  }

  #convertMap(node: YAMLMap, tag: string | undefined): Plain {
    if (tag !== undefined && !this.#options.tags.has(tag)) this.#fault(node, this.#faultOfTag(tag));
    const entries = node.items.map((item): [string, Plain] => {
      const key = camelCase(String(item.key));
      return [key, this.#convert(item.value as Node | null, key)];
    });
    const identity = tag === undefined ? {} : { type: tag, node: node.range?.[0] ?? 0 };
    return { ...Object.fromEntries(entries), ...identity };
  }

  #impliedTag(node: YAMLMap, key: string): string | undefined {
    const { implied = {} } = this.#options;
    return implied[key]?.[String(node.get('type'))];
  }

  #fault(node: Node, message: string): void {
    this.#faults.push({ position: this.#positionAt(this.#startOf(node)), message });
  }

  #faultOfTag(tag: string): string {
    const { tags } = this.#options;
    if (textTags.has(tag)) return `!${tag} takes a text`;
    if (tags.has(tag)) return `!${tag} takes a map of keys`;
    const known = [...tags, ...textTags].map((name) => `!${name}`).join(', ');
    return `!${tag} is not supported yet; supported are ${known}`;
  }
}

function tagOf({ tag }: Node): string | undefined {
  return tag?.startsWith('!') ? tag.slice(1) : undefined;
}

/** `~`, `$VAR` and `${VAR}`; an unknown variable stays as text, as in BuildGrid. */
function expandPath(text: string, environment: Environment): string {
  const home = environment['HOME'] ?? homedir();
  return text
    .replace(/^~(?=\/|$)/, home)
    .replace(
      /\$(?:\{(\w+)\}|(\w+))/g,
      (all, braced?: string, bare?: string) => environment[braced ?? bare ?? ''] ?? all,
    );
}

function camelCase(key: string): string {
  return key.replace(/[-_]+(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The form that files use. */
export function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
