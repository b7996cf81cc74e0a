/** The building blocks of shapes: texts, numbers, durations, lists, groups of keys, choices. */
import {
  INVALID, fail, isRecord, name, nearest,
  type Fields, type Invalid, type JsonSchema, type ObjectOf, type Of, type Path, type Problem, type Shape,
} from "./shape.ts";

interface TextOptions {
  readonly description?: string;
  readonly pattern?: RegExp;
  /** Says in words what `pattern` asks for. Needed with it. */
  readonly expected?: string;
  readonly maxLength?: number;
  readonly format?: string;
}

export function text(options: TextOptions = {}): Shape<string> {
  const { description, pattern, maxLength = 1024, format, expected = `a text of at most ${maxLength} characters` } = options;
  return {
    schema: { type: "string", maxLength, ...(pattern && { pattern: pattern.source }), ...(format && { format }), ...(description && { description }) },
    read(value, path, problems) {
      const ok = typeof value === "string" && value.length <= maxLength && (pattern?.test(value) ?? true);
      const near = typeof value === "number" || typeof value === "boolean" ? { nearest: JSON.stringify(String(value)) } : {};
      return ok ? value : fail(problems, { path, on: "value", found: name(value), expected, ...near });
    },
  };
}

interface NumberOptions {
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

function numeric(kind: "integer" | "number", { description, minimum, maximum }: NumberOptions): Shape<number> {
  const range = [minimum !== undefined ? `from ${minimum}` : "", maximum !== undefined ? `to ${maximum}` : ""].filter(Boolean).join(" ");
  const expected = `${kind === "integer" ? "a whole number" : "a number"}${range && ` ${range}`}`;
  return {
    schema: { type: kind, ...(minimum !== undefined && { minimum }), ...(maximum !== undefined && { maximum }), ...(description && { description }) },
    read(value, path, problems) {
      const ok = typeof value === "number" && Number.isFinite(value) && (kind === "number" || Number.isSafeInteger(value))
        && value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity);
      return ok ? value : fail(problems, { path, on: "value", found: name(value), expected });
    },
  };
}
export const integer = (options: NumberOptions = {}): Shape<number> => numeric("integer", options);
export const number = (options: NumberOptions = {}): Shape<number> => numeric("number", options);

/** How people say it; YAML of today reads these as texts. */
const SAID: readonly (readonly [words: readonly string[], meant: string])[] = [[["yes", "on", "y", "true"], "true"], [["no", "off", "n", "false"], "false"]];

export function flag(description?: string): Shape<boolean> {
  return {
    schema: { type: "boolean", ...(description && { description }) },
    read(value, path, problems) {
      const near = typeof value === "string" ? SAID.find(([words]) => words.includes(value.toLowerCase()))?.[1] : undefined;
      return typeof value === "boolean" ? value : fail(problems, { path, on: "value", found: name(value), expected: "true or false", ...(near && { nearest: near }) });
    },
  };
}

/** One of a closed list of words. */
export function oneOf<const W extends readonly string[]>(words: W, description?: string): Shape<W[number]> {
  const known: readonly string[] = words;
  return {
    schema: { enum: words, ...(description && { description }) },
    read(value, path, problems) {
      if (typeof value === "string" && known.includes(value)) return value;
      // What YAML reads as a number is a word here: in quotes it would have been one.
      const near = typeof value === "string" ? nearest(value, known) : known.includes(String(value)) ? JSON.stringify(String(value)) : undefined;
      return fail(problems, { path, on: "value", found: name(value), expected: `one of ${known.join(", ")}`, ...(near && { nearest: near }) });
    },
  };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    schema: { anyOf: [shape.schema, { type: "null" }], ...("description" in shape.schema && { description: shape.schema["description"] }) },
    read: (value, path, problems) => (value === null ? null : shape.read(value, path, problems)),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
/** `250ms`, `5s`, `2m`, `8h`, `7d` → whole milliseconds. A bare number is an error: it has no unit. */
export function duration(options: { readonly description?: string; readonly minimumMs?: number; readonly maximumMs?: number } = {}): Shape<number> {
  const { description, minimumMs = 0, maximumMs = 366 * 86_400_000 } = options;
  return {
    schema: { type: "string", pattern: DURATION.source, ...(description && { description }) },
    read(value, path, problems) {
      const match = typeof value === "string" ? DURATION.exec(value) : null;
      const ms = match ? Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? Number.NaN) : Number.NaN;
      if (Number.isInteger(ms) && ms >= minimumMs && ms <= maximumMs) return ms;
      const near = match ? undefined : typeof value === "number" ? `${value}s` : typeof value === "string" ? plainDuration(value) : undefined;
      const range = match ? ` from ${durationText(minimumMs)} to ${durationText(maximumMs)}` : " with its unit, such as 250ms, 5s, 2m, 8h or 7d";
      return fail(problems, { path, on: "value", found: name(value), expected: `a duration${range}`, ...(near && { nearest: near }) });
    },
  };
}

/** Milliseconds as the YAML would say them: 120000 → `2m`. */
export function durationText(ms: number): string {
  const [unit, size] = Object.entries(UNIT_MS).findLast(([, one]) => ms >= one && ms % one === 0) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };
const SIZE = /^(\d+(?:\.\d+)?) ?(kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;
/** `500 MB`, `1GiB` → whole bytes. A bare number is an error: it has no unit. */
export function size(options: { readonly description?: string; readonly minimumBytes: number; readonly maximumBytes: number }): Shape<number> {
  const { description, minimumBytes, maximumBytes } = options;
  return {
    schema: { type: "string", pattern: SIZE.source, ...(description && { description }) },
    read(value, path, problems) {
      const match = typeof value === "string" ? SIZE.exec(value) : null;
      const bytes = match ? Math.round(Number(match[1]) * (UNIT_BYTES[match[2] ?? ""] ?? Number.NaN)) : Number.NaN;
      if (bytes >= minimumBytes && bytes <= maximumBytes) return bytes;
      const range = match ? ` from ${sizeText(minimumBytes)} to ${sizeText(maximumBytes)}` : " with its unit, such as 500 MB or 1 GiB";
      const near = match || typeof value !== "string" ? undefined : plainSize(value);
      return fail(problems, { path, on: "value", found: name(value), expected: `a size${range}`, ...(near && { nearest: near }) });
    },
  };
}

/** Bytes as the YAML would say them, in the largest unit that leaves no fraction: 8388608 → `8 MiB`. */
export function sizeText(bytes: number): string {
  const [unit, one] = Object.entries(UNIT_BYTES).filter(([, size]) => bytes >= size && bytes % size === 0).sort(([, a], [, b]) => b - a)[0] ?? ["bytes", 1];
  return `${bytes / one} ${unit}`;
}

/** `1 Gib`, `117 TBW`, `500mb` → 1 GiB, 117 TB, 500 MB. */
function plainSize(value: string): string | undefined {
  const [, count, unit] = /^(\d{1,9}(?:[.,]\d{1,9})?) *([kmgt]i?b)w?$/i.exec(value.trim()) ?? [];
  const known = Object.keys(UNIT_BYTES).find((one) => one.toLowerCase() === unit?.toLowerCase());
  return count === undefined || known === undefined ? undefined : `${count.replace(",", ".")} ${known}`;
}

const SHARE = /^(\d+(?:\.\d+)?) ?%$/;
/** `20%` → 0.2. */
export function share(options: { readonly description?: string; readonly minimumPercent: number; readonly maximumPercent: number }): Shape<number> {
  const { description, minimumPercent, maximumPercent } = options;
  return {
    schema: { type: "string", pattern: SHARE.source, ...(description && { description }) },
    read(value, path, problems) {
      const match = typeof value === "string" ? SHARE.exec(value) : null;
      const percent = match ? Number(match[1]) : Number.NaN;
      if (percent >= minimumPercent && percent <= maximumPercent) return percent / 100;
      return fail(problems, { path, on: "value", found: name(value), expected: `a share from ${minimumPercent}% to ${maximumPercent}%`, ...(typeof value === "number" && { nearest: `${value > 0 && value < 1 ? Number((value * 100).toPrecision(6)) : value}%` }) });
    },
  };
}

/** `2,5 min` → 2.5m, `30 Sec` → 30s, `10y` → 3650d: how people write what `duration` takes in one way. */
function plainDuration(value: string): string | undefined {
  const [, count, unit] = /^(\d{1,9}(?:[.,]\d{1,9})?) ?(ms|s|m|h|d|y|sec|min|hours?|days?|weeks?|years?)\.?$/i.exec(value.trim()) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  const short = unit.toLowerCase();
  const days = { w: 7, y: 365 }[short.slice(0, 1)];
  if (days !== undefined) return `${Number(count.replace(",", ".")) * days}d`;
  return `${count.replace(",", ".")}${short === "ms" ? short : short.slice(0, 1)}`;
}

export function list<T>(item: Shape<T>, options: { readonly description?: string; readonly minItems?: number; readonly maxItems?: number } = {}): Shape<readonly T[]> {
  const { description, minItems = 0, maxItems = 10_000 } = options;
  return {
    schema: { type: "array", items: item.schema, ...(minItems > 0 && { minItems }), maxItems, ...(description && { description }) },
    read(value, path, problems) {
      if (!Array.isArray(value)) return fail(problems, { path, on: "value", found: name(value), expected: "a list: [A, B], or each entry on a line of its own after a dash" });
      if (value.length < minItems || value.length > maxItems)
        return fail(problems, { path, on: "value", found: `a list of ${value.length}`, expected: `a list of ${minItems} to ${maxItems} entries` });
      const items = value.map((entry: unknown, index) => item.read(entry, [...path, index], problems));
      return items.includes(INVALID) ? INVALID : (items as T[]);
    },
  };
}

/** A group with free keys: `{key: value}`. Keys match `key`, values the shape. */
export function mapOf<T>(value: Shape<T>, options: { readonly description?: string; readonly key?: RegExp; readonly keyExpected?: string; readonly maxKeys?: number } = {}): Shape<Readonly<Record<string, T>>> {
  const { description, key, keyExpected = "another name", maxKeys = 10_000 } = options;
  return {
    schema: { type: "object", additionalProperties: value.schema, ...(key && { propertyNames: { pattern: key.source } }), maxProperties: maxKeys, ...(description && { description }) },
    read(group, path, problems) {
      if (!isRecord(group)) return fail(problems, { path, on: "value", found: name(group), expected: "a group of keys" });
      const keys = Object.keys(group);
      if (keys.length > maxKeys) return fail(problems, { path, on: "value", found: `${keys.length} keys`, expected: `at most ${maxKeys}` });
      let invalid = false;
      const entries = keys.map((word) => {
        if (key && !key.test(word)) invalid = fail(problems, { path: [...path, word], on: "key", found: `the name ${JSON.stringify(word)}`, expected: keyExpected }) === INVALID;
        const read = value.read(group[word], [...path, word], problems);
        invalid ||= read === INVALID;
        return [word, read] as const;
      });
      return invalid ? INVALID : (Object.fromEntries(entries) as Record<string, T>);
    },
  };
}

/** A group with fixed keys. Unknown keys are problems, with the nearest known one. Absent ones take their default or are left out. */
export function object<const F extends Fields>(fields: F, description?: string): Shape<ObjectOf<F>> {
  const known = Object.keys(fields);
  return {
    schema: objectSchema(fields, description),
    read(value, path, problems): ObjectOf<F> | Invalid {
      if (!isRecord(value)) return fail(problems, { path, on: "value", found: name(value), expected: `a group of keys: ${known.join(", ")}` });
      const meant = new Set<string>();
      for (const key of Object.keys(value)) {
        if (Object.hasOwn(fields, key)) continue;
        const near = nearest(key, known);
        if (near !== undefined) meant.add(near);
        problems.push({ path: [...path, key], on: "key", found: `unknown key ${JSON.stringify(key)}`, expected: known.length === 0 ? "no keys" : `one of ${known.join(", ")}`, ...(near && { nearest: near }) });
      }
      return readFields(fields, value, { path, problems, meant });
    },
  };
}

interface Reading {
  readonly path: Path;
  readonly problems: Problem[];
  /** Keys that are there with a slip: that was told, and that they are missing need not be. */
  readonly meant: ReadonlySet<string>;
}

function readFields<F extends Fields>(fields: F, value: Readonly<Record<string, unknown>>, { path, problems, meant }: Reading): ObjectOf<F> | Invalid {
  let invalid = false;
  const decoded: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    if (!Object.hasOwn(value, key) || value[key] === undefined) {
      if (!("absent" in field) && meant.has(key)) invalid = true;
      else if (!("absent" in field)) invalid = fail(problems, { path, on: "key", found: `the key ${JSON.stringify(key)} is missing`, expected: `${key}: ${says(field.schema)}` }) === INVALID;
      else if (field.absent === "defaulted") decoded[key] = field.fallback;
      continue;
    }
    const read = field.read(value[key], [...path, key], problems);
    if (read === INVALID) invalid = true;
    else decoded[key] = read;
  }
  return invalid ? INVALID : (decoded as ObjectOf<F>);
}

const says = (schema: JsonSchema): string => {
  if (typeof schema["description"] === "string") return schema["description"];
  if (Array.isArray(schema["enum"])) return schema["enum"].join(" or ");
  return typeof schema["type"] === "string" ? schema["type"] : "a value";
};

function objectSchema(fields: Fields, description?: string): JsonSchema {
  const required = Object.entries(fields).filter(([, field]) => !("absent" in field)).map(([key]) => key);
  return {
    type: "object",
    ...(description && { description }),
    properties: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.schema])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

/** A group told apart by the word under `tag` (`type: mtconnect`): each word has its own keys beside the tag. */
export function choice<const Tag extends string, const V extends Readonly<Record<string, Shape<object>>>>(tag: Tag, variants: V, description?: string): Shape<{ [K in keyof V]: Of<V[K]> & { readonly [T in Tag]: K } }[keyof V]> {
  type Chosen = { [K in keyof V]: Of<V[K]> & { readonly [T in Tag]: K } }[keyof V];
  const word = oneOf(Object.keys(variants));
  return {
    schema: { ...(description && { description }), oneOf: Object.entries(variants).map(([key, shape]) => tagged(tag, key, shape.schema)) },
    read(value, path, problems): Chosen | Invalid {
      if (!isRecord(value)) return fail(problems, { path, on: "value", found: name(value), expected: `a group of keys with ${tag}: ${Object.keys(variants).join(" or ")}` });
      if (value[tag] === undefined) return fail(problems, { path, on: "key", found: `the key ${JSON.stringify(tag)} is missing`, expected: `${tag}: ${Object.keys(variants).join(" or ")}` });
      const chosen = word.read(value[tag], [...path, tag], problems);
      const shape = chosen === INVALID ? undefined : variants[chosen];
      if (!shape) return INVALID;
      const { [tag]: _, ...rest } = value;
      const decoded = shape.read(rest, path, problems);
      return decoded === INVALID ? INVALID : ({ [tag]: chosen, ...decoded } as Chosen);
    },
  };
}

const tagged = (tag: string, word: string, schema: JsonSchema): JsonSchema => ({
  ...schema,
  properties: { [tag]: { const: word }, ...(isRecord(schema["properties"]) ? schema["properties"] : {}) },
  required: [tag, ...(Array.isArray(schema["required"]) ? (schema["required"] as string[]) : [])],
});
