/** A message from the broker, decoded as far as the demo needs it: an independent reader of our own records. */
import type { RecordType } from "../../agent/contract/record.ts";

export interface RecordEvent {
  readonly id: string;
  readonly type: RecordType;
  /** Topic path of the machine, or of the agent. */
  readonly source: string;
  readonly epoch: string;
  readonly seq: number;
  readonly prev: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Null when it is not one of our records: another publisher at the broker, or our bug. */
export function decodeEvent(text: string): RecordEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // Not JSON, so not a CloudEvent.
  }
  if (!isObject(value) || !isObject(value["data"])) return null;
  const { id, type, source, epoch, seq, prev, data } = value;
  const kind = typeof type === "string" ? /^io\.cellgate\.(\w+)\.v1$/u.exec(type)?.[1] : undefined;
  if (typeof id !== "string" || kind === undefined || typeof source !== "string" || typeof epoch !== "string" || typeof seq !== "number" || typeof prev !== "number") return null;
  return { id, type: kind as RecordType, source, epoch, seq, prev, data };
}

export const textOf = (data: Readonly<Record<string, unknown>>, key: string): string | null => {
  const value = data[key];
  return typeof value === "string" ? value : null;
};
export const numberOf = (data: Readonly<Record<string, unknown>>, key: string): number | null => {
  const value = data[key];
  return typeof value === "number" ? value : null;
};
export const objectOf = (data: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> => {
  const value = data[key];
  return isObject(value) ? value : {};
};
/** Unix ms of an instant in a record; null while open or absent. */
export const timeOf = (data: Readonly<Record<string, unknown>>, key: string): number | null => {
  const text = textOf(data, key);
  return text === null ? null : Date.parse(text);
};
