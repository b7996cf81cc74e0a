/**
 * Shapes: one definition that gives a TypeScript type, a JSON Schema and a decoder. Records and the YAML are defined
 * in it, so that what is documented, what is checked and what is compiled cannot drift apart.
 * A decoder never throws: it adds problems, each with its path, and `decode` returns INVALID when there were any.
 */

export type JsonSchema = { readonly [keyword: string]: unknown };
export type Path = readonly (string | number)[];

/** One thing wrong with one value. Texts are for the technician; `agent/config` adds line, column and underline. */
export interface Problem {
  readonly path: Path;
  /** `key`: the key itself is wrong or missing, not its value. */
  readonly on: "value" | "key";
  /** What is wrong: "unknown key \"devise\"". */
  readonly found: string;
  /** What would be right: "a duration with its unit, such as 5s or 2m". */
  readonly expected: string;
  /** The nearest valid word, when one is near. */
  readonly nearest?: string;
  /** The value is, or may be, a secret: whoever shows the problem must not show it. */
  readonly secret?: true;
}

export const INVALID = Symbol("invalid");
export type Invalid = typeof INVALID;

export interface Shape<T> {
  readonly schema: JsonSchema;
  read(value: unknown, path: Path, problems: Problem[]): T | Invalid;
}
export interface OptionalShape<T> extends Shape<T> {
  readonly absent: "omitted";
}
export interface DefaultedShape<T> extends Shape<T> {
  readonly absent: "defaulted";
  readonly fallback: T;
}
export type Field = Shape<unknown> | OptionalShape<unknown> | DefaultedShape<unknown>;
export type Fields = Readonly<Record<string, Field>>;

/** The TypeScript type that a shape decodes to. */
export type Of<S> = S extends Shape<infer T> ? T : never;
type OmittedKeys<F extends Fields> = { [K in keyof F]: F[K] extends OptionalShape<unknown> ? K : never }[keyof F];
export type ObjectOf<F extends Fields> =
  & { readonly [K in Exclude<keyof F, OmittedKeys<F>>]: Of<F[K]> }
  & { readonly [K in OmittedKeys<F>]?: Of<F[K]> };

/** Decodes an unknown value. Returns the value, or the problems, of which there is then at least one. */
export function decode<T>(shape: Shape<T>, value: unknown): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const result = shape.read(value, [], problems);
  if (result === INVALID || problems.length > 0) return { ok: false, problems };
  return { ok: true, value: result };
}

/** A problem of a message, in one line: `from: found the text "x", expected a whole number from 1`. */
export const inWords = ({ path, found, expected }: Problem): string => `${path.length > 0 ? `${path.join(".")}: ` : ""}found ${found}, expected ${expected}`;

export const optional = <T>(shape: Shape<T>): OptionalShape<T> => ({ ...shape, absent: "omitted" });
/** `fallback` is the decoded value that an absent key stands for; `shown` is how the YAML would say it. */
export const withDefault = <T>(shape: Shape<T>, fallback: T, shown?: unknown): DefaultedShape<T> => ({
  ...shape,
  schema: { ...shape.schema, default: shown ?? fallback },
  absent: "defaulted",
  fallback,
});
export const described = <S extends Shape<unknown>>(shape: S, description: string): S => ({
  ...shape,
  schema: { ...shape.schema, description },
});

export function fail(problems: Problem[], problem: Problem): Invalid {
  problems.push(problem);
  return INVALID;
}

/** How a value is named in an error: "the number 12", "a list", "nothing". */
export function name(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a group of keys";
  if (typeof value === "string") return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
  return `the ${typeof value} ${JSON.stringify(value) ?? typeof value}`;
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The nearest of some words by edit distance, when near enough to be a slip of the finger. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of words) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Damerau-Levenshtein distance (neighbours swapped count once), cut off at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((row[j - 1] ?? 0) + 1, (previous[j] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? limit;
}
