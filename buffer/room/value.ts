/** What a record is worth when room is short: the lowest class goes first; loss records last, and of them only what somebody was told. */
import type { RecordType } from "../../agent/contract/record.ts";
import { TYPE_CODES } from "../ledger/schema.ts";

export const VALUE_CLASSES: readonly (readonly RecordType[])[] = [["state", "alarm"], ["summary", "connection", "receipt"], ["count"], ["cycle", "downtime"], ["loss"]];
/** The class of loss records (buffer/room/tellings.ts). */
export const LOSSES = VALUE_CLASSES.length;

/** From 1; 0: of a type that is not known. */
const VALUE_OF: ReadonlyMap<number, number> = new Map(VALUE_CLASSES.flatMap((types, index) => types.map((type) => [TYPE_CODES[type], index + 1] as const)));
export const valueOfCode = (code: number): number => VALUE_OF.get(code) ?? 0;
/** Codes of the classes, as a JSON array. */
export const codesOf = (values: readonly number[]): string => JSON.stringify(values.flatMap((value) => typesOf(value).map((type) => TYPE_CODES[type])));
export const typesOf = (value: number): readonly RecordType[] => VALUE_CLASSES[value - 1] ?? [];
