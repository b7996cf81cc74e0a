/** Reads fields of unknown JSON. A missing or wrong one throws `Malformed`, which the line's reader turns into a finding. */

export class Malformed extends Error {
  override readonly name = "Malformed";
}

export type Row = Readonly<Record<string, unknown>>;

export const isRow = (value: unknown): value is Row => typeof value === "object" && value !== null && !Array.isArray(value);

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function wrong(key: string, expected: string, value: unknown): never {
  throw new Malformed(`${key} is ${JSON.stringify(value)?.slice(0, 60) ?? "missing"}, not ${expected}`);
}

export function text(row: Row, key: string): string {
  const value = row[key];
  return typeof value === "string" ? value : wrong(key, "a text", value);
}
export function word<const T extends string>(row: Row, key: string, words: readonly T[]): T {
  const value = row[key];
  return words.find((one) => one === value) ?? wrong(key, words.join(" or "), value);
}
export function flag(row: Row, key: string): boolean {
  const value = row[key];
  return typeof value === "boolean" ? value : wrong(key, "true or false", value);
}
export function amount(row: Row, key: string): number {
  const value = row[key];
  return typeof value === "number" && Number.isFinite(value) ? value : wrong(key, "a number", value);
}
/** Not negative, and whole: milliseconds, parts, revisions. */
export function whole(row: Row, key: string): number {
  const value = amount(row, key);
  return Number.isSafeInteger(value) && value >= 0 ? value : wrong(key, "a whole number of at least 0", value);
}
/** Epoch ms of an instant in the one form records use: UTC with milliseconds. */
export function instant(row: Row, key: string): number {
  const value = row[key];
  const at = typeof value === "string" && INSTANT.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? wrong(key, "a UTC time with milliseconds", value) : at;
}
export function row(of: Row, key: string): Row {
  const value = of[key];
  return isRow(value) ? value : wrong(key, "a group", value);
}
export function rows(of: Row, key: string): readonly Row[] {
  const value: unknown = of[key];
  return Array.isArray(value) && value.every(isRow) ? value : wrong(key, "a list of groups", value);
}
export function texts(of: Row, key: string): readonly string[] {
  const value: unknown = of[key];
  return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : wrong(key, "a list of texts", value);
}
export function amounts(of: Row, key: string): Readonly<Record<string, number>> {
  const group = row(of, key);
  return Object.fromEntries(Object.keys(group).map((name) => [name, whole(group, name)]));
}
export function orNull<T>(read: (row: Row, key: string) => T, of: Row, key: string): T | null {
  return of[key] === null ? null : read(of, key);
}
