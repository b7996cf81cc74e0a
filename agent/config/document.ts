/**
 * YAML with positions: text → plain values and, for any path, where it stands. Bounded: size, nesting, the number of
 * values after aliases are expanded, the number of problems. Merge keys, tags, directives and second documents are
 * problems; so are duplicate keys and whatever programs read differently (`agent/config/unclear.ts`).
 */
import { Composer, Parser, isAlias, isMap, isNode, isScalar, isSeq, type Alias, type Document, type Pair, type Scalar, type YAMLMap } from "yaml";
import type { Path, Problem } from "../contract/shape.ts";
import { slips } from "./slips.ts";
import { NUMBER_TAGS, reference, unclear } from "./unclear.ts";

/** Part of the text: offset of its first sign, and of the one after its last. */
export type Span = readonly [from: number, to: number];
export interface Spotted extends Problem {
  readonly span: Span;
}

export interface YamlDocument {
  /** Plain values; groups have no prototype. `undefined` when the text has no usable structure. */
  readonly value: unknown;
  readonly problems: readonly Spotted[];
  /** Where the value (or its key) at a path stands; the nearest group around it when it is absent. */
  span(path: Path, on: Problem["on"]): Span;
  /** The value as the file has it, when it is a plain (unquoted) word. */
  plainSource(path: Path): string | null;
}

export const MAXIMUM_BYTES = 1_048_576;
/** Of the documented keys none lies deeper than ten. */
const MAXIMUM_DEPTH = 50;
/** The largest plausible file (200 machines) has some 20,000 values. */
const MAXIMUM_VALUES = 100_000;
const MAXIMUM_PROBLEMS = 200;

const OPTIONS = {
  version: "1.2", schema: "core", strict: true, prettyErrors: false, logLevel: "silent", stringKeys: true, merge: false,
  // The parser compares each key with each: quadratic. `Reader` below compares through a set.
  uniqueKeys: false,
  customTags: (tags: readonly unknown[]) => [
    ...tags.filter((tag) => typeof tag !== "object" || tag === null || !("tag" in tag) || (tag.tag !== "tag:yaml.org,2002:int" && tag.tag !== "tag:yaml.org,2002:float")),
    ...NUMBER_TAGS,
  ],
} as const;

export function readYaml(text: string): YamlDocument {
  const composer = new Composer(OPTIONS as ConstructorParameters<typeof Composer>[0]);
  const [document, second] = composer.compose(new Parser().parse(text), true, text.length);
  if (!document) return unusable([]);
  const complaints = slips([...document.errors, ...document.warnings].slice(0, MAXIMUM_PROBLEMS), text).map(({ found, expected, span }) => at(found, expected, span));
  if (second) complaints.push(at("a second document (---)", "one document in one file", [second.range[0], second.range[0] + 3]));
  if (complaints.length > 0) return unusable(complaints);
  const reader = new Reader();
  const value = reader.plain(document.contents, [], 0);
  const places = new Places(document, reader.aliases);
  return {
    value: reader.exhausted ? undefined : value,
    problems: reader.problems,
    span: (path, on) => places.span(path, on),
    plainSource(path) {
      const found = places.find(path).node;
      return isScalar(found) && found.type === "PLAIN" ? (found.source ?? null) : null;
    },
  };
}

const unusable = (problems: readonly Spotted[]): YamlDocument => ({ value: undefined, problems, span: () => [0, 1], plainSource: () => null });
const at = (found: string, expected: string, span: Span): Spotted => ({ path: [], on: "value", found, expected, span });

/** Turns nodes into plain values. Own properties only, so that `__proto__` is a key like any other. */
class Reader {
  readonly problems: Spotted[] = [];
  exhausted = false;
  /** What each alias stands for. The parser's own search visits the whole file for every alias. */
  readonly aliases = new Map<Alias, unknown>();
  readonly #anchors = new Map<string, unknown>();
  #inAliases = 0;
  #values = 0;

  plain(node: unknown, path: Path, depth: number): unknown {
    if (this.exhausted) return null;
    this.#values += 1;
    if (depth > MAXIMUM_DEPTH || this.#values > MAXIMUM_VALUES) {
      this.exhausted = true;
      const found = depth > MAXIMUM_DEPTH ? `lists, groups or aliases nested more than ${MAXIMUM_DEPTH} deep` : `more than ${MAXIMUM_VALUES} values, counted after aliases are expanded`;
      this.#add(path, found, "a file of the documented keys, with fewer or smaller anchors", spanOfNode(node) ?? [0, 1]);
      return null;
    }
    if (isAlias(node)) return this.#alias(node, path, depth);
    if (isNode(node) && typeof node.anchor === "string" && this.#inAliases === 0) this.#anchors.set(node.anchor, node);
    if (isMap(node)) return this.#group(node.items, path, depth);
    if (isSeq(node)) return node.items.map((item, index) => this.plain(item, [...path, index], depth + 1));
    return isScalar(node) ? this.#scalar(node, path, path.at(-1)) : null;
  }

  /** An alias stands for the nearest anchor of its name above it. */
  #alias(alias: Alias, path: Path, depth: number): unknown {
    const target = this.aliases.get(alias) ?? this.#anchors.get(alias.source);
    if (target === undefined) {
      this.#add(path, `an alias of ${JSON.stringify(alias.source.slice(0, 60))}, which is not defined above`, `&${alias.source.slice(0, 60)} at the value above it that it stands for`, spanOfNode(alias) ?? [0, 1]);
      return null;
    }
    this.aliases.set(alias, target);
    this.#inAliases += 1;
    const value = this.plain(target, path, depth + 1);
    this.#inAliases -= 1;
    return value;
  }

  #group(pairs: readonly Pair[], path: Path, depth: number): unknown {
    const group = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of pairs) {
      const span = spanOfNode(key) ?? [0, 1];
      if (!isScalar(key) || typeof key.value !== "string" || key.value === "") {
        this.#add(path, "a key that is not a word", "a word as the key", span);
        continue;
      }
      const here = [...path, key.value];
      if (Object.hasOwn(group, key.value)) this.#add(here, `the key ${JSON.stringify(key.value.slice(0, 60))} for the second time in this group`, "each key once", span);
      if (key.value === "<<" && key.type === "PLAIN") this.#add(here, "a merge key (<<)", "the keys written out: merging is not part of YAML 1.2; an alias may stand for a whole value", span);
      // The names of calendars are keys, and name something.
      else this.#scalar(key, here, path.at(-1) === "calendars" ? "name" : undefined);
      group[key.value] = this.plain(value, here, depth + 1);
    }
    return group;
  }

  #scalar(node: Scalar, path: Path, key: string | number | undefined): unknown {
    if (node.type === "PLAIN" && node.source !== undefined && node.tag === undefined) {
      const words = unclear(node.source, key);
      if (words !== null) this.#add(path, words.found, words.expected, spanOfNode(node) ?? [0, 1]);
    }
    const words = typeof node.value === "string" ? reference(node.value) : null;
    if (words !== null) this.#add(path, words.found, words.expected, spanOfNode(node) ?? [0, 1]);
    return node.value;
  }

  #add(path: Path, found: string, expected: string, span: Span): void {
    if (this.problems.length < MAXIMUM_PROBLEMS) this.problems.push({ path, on: "value", found, expected, span });
  }
}

function spanOfNode(node: unknown): Span | null {
  const range = isAlias(node) || isScalar(node) || isMap(node) || isSeq(node) ? node.range : null;
  return range ? [range[0], Math.max(range[0] + 1, range[1])] : null;
}

interface Found {
  readonly node: unknown;
  readonly key: unknown;
  /** How many steps of the path were found. */
  readonly depth: number;
}

/** Finds paths in the tree. The pairs of a group are indexed once: a file may have 80,000 problems in one. */
class Places {
  readonly #document: Document.Parsed;
  readonly #aliases: ReadonlyMap<Alias, unknown>;
  readonly #pairs = new WeakMap<YAMLMap, ReadonlyMap<unknown, Pair>>();

  constructor(document: Document.Parsed, aliases: ReadonlyMap<Alias, unknown>) {
    this.#document = document;
    this.#aliases = aliases;
  }

  find(path: Path): Found {
    let found: Found = { node: this.#document.contents, key: null, depth: 0 };
    for (const step of path) {
      const node = isAlias(found.node) ? this.#aliases.get(found.node) : found.node;
      const pair = isMap(node) ? this.#pairsOf(node).get(step) : undefined;
      if (pair) found = { node: pair.value, key: pair.key, depth: found.depth + 1 };
      else if (isSeq(node) && typeof step === "number" && step < node.items.length) found = { node: node.items[step], key: null, depth: found.depth + 1 };
      else break;
    }
    return found;
  }

  span(path: Path, on: Problem["on"]): Span {
    const found = this.find(path);
    const byKey = on === "key" || found.depth < path.length || spanOfNode(found.node) === null || isEmpty(found.node);
    return (byKey ? spanOfNode(found.key) : null) ?? spanOfNode(found.node) ?? [0, 1];
  }

  #pairsOf(group: YAMLMap): ReadonlyMap<unknown, Pair> {
    const known = this.#pairs.get(group) ?? new Map(group.items.map((pair) => [isScalar(pair.key) ? pair.key.value : null, pair]));
    this.#pairs.set(group, known);
    return known;
  }
}

/** `key:` with nothing behind it: the span of the value is empty, the key is what can be shown. */
const isEmpty = (node: unknown): boolean => isScalar(node) && node.range !== null && node.range !== undefined && node.range[0] === node.range[1];

