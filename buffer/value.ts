/** What a record is worth when room is short: the lowest class goes first. Loss records are given up never. */
import type { RecordType } from "../agent/contract/record.ts";
import { TYPE_CODES } from "./schema.ts";

export const VALUE_CLASSES: readonly (readonly RecordType[])[] = [["state", "alarm"], ["summary", "connection", "receipt"], ["count"], ["cycle", "downtime"]];

/** From 1; 0: never given up. */
const VALUE_OF: ReadonlyMap<number, number> = new Map(VALUE_CLASSES.flatMap((types, index) => types.map((type) => [TYPE_CODES[type], index + 1] as const)));
export const valueOfCode = (code: number): number => VALUE_OF.get(code) ?? 0;
/** Codes of the classes, as a JSON array. */
export const codesOf = (values: readonly number[]): string => JSON.stringify(values.flatMap((value) => (VALUE_CLASSES[value - 1] ?? []).map((type) => TYPE_CODES[type])));
