/**
 * The current state of a companion specification's state machine (Part 16): by its node id where the specification names
 * one, else by its number, last by its name, which servers may translate. Pure.
 */
import { byUri } from "./address.ts";
import type { Sample } from "./values.ts";

export interface StateRow {
  readonly number: number;
  readonly name: string;
  /** By the namespace's URI; several, where servers name the state of a type by its instance. */
  readonly id?: string;
}
/** What was last heard of each. */
export interface Heard {
  readonly id?: Sample | undefined;
  readonly number?: Sample | undefined;
  readonly text?: Sample | undefined;
}

/** Null: not known, or none (a machine nested in another that does not run). */
export function stateOf({ id, number, text }: Heard, rows: readonly StateRow[], namespaces: readonly string[]): number | null {
  const ids = typeof id?.raw === "string" ? byUri(id.raw, namespaces) : null;
  const found = ids === null ? undefined : rows.find((row) => row.id === ids);
  if (found !== undefined) return found.number;
  if (typeof number?.raw === "number" && rows.some((row) => row.number === number.raw)) return number.raw;
  const name = typeof text?.raw === "string" ? text.raw.replaceAll(/[\s_-]/gu, "").toLowerCase() : null;
  return rows.find((row) => row.name.toLowerCase() === name)?.number ?? null;
}
