/**
 * Where we are in an agent's buffer, and what to do with it at the next start (mtconnect.md §6). Pure. A position is
 * kept as a flat cursor with the readings it follows; sequences below `next` are never given twice.
 *
 *   no cursor ─────────────────────────────► begin (current values, or the oldest the agent has)
 *   same instance, first ≤ next ≤ agent's next ─► resume: nothing was lost
 *   same instance, next < first ───────────► overrun: a gap, then from what is left
 *   other instance, or next beyond the agent's ─► restarted: a gap, then the new buffer from its start
 */
import type { ActiveAlarm, Cursor } from "../../agent/contract/observation.ts";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";
import { isRecord } from "../../agent/contract/shape.ts";
import type { ConditionSets } from "../shared/mtconnect/conditions.ts";
import type { Header } from "./document.ts";

export interface Position {
  readonly instance: string;
  /** The first sequence not yet read. */
  readonly next: number;
  /** The agent's time up to which we knew everything: of the last document that was the newest, else the last stamp. */
  readonly seen: UnixMs | null;
  readonly conditions: ConditionSets;
  /**
   * The values that were so before `next`, not yet given: as of sequence `at`. `now`: the agent's time when they were
   * the newest, null when newer ones follow. Kept so that a kill between the position and its values loses neither.
   */
  readonly initial: { readonly at: number; readonly now: UnixMs | null } | null;
}

/** A streams header with all that recovery needs. */
export interface BufferHeader {
  readonly instance: string;
  readonly first: number;
  readonly last: number;
  readonly next: number;
  readonly created: UnixMs | null;
  readonly bufferSize: number | null;
}

/** Null when the header does not say where its buffer begins and ends. */
export function bufferHeader({ instance, first, last, next, created, bufferSize }: Header): BufferHeader | null {
  if (instance === null || next === null) return null;
  return { instance, first: first ?? 0, last: last ?? next - 1, next, created, bufferSize };
}

export type Start =
  | { readonly kind: "begin" }
  | { readonly kind: "resume" }
  | { readonly kind: "overrun"; readonly missing: number }
  | { readonly kind: "restarted" };

export function startOf(position: Position | null, header: BufferHeader): Start {
  if (position === null) return { kind: "begin" };
  if (position.instance !== header.instance || position.next > header.next) return { kind: "restarted" };
  return position.next < header.first ? { kind: "overrun", missing: header.first - position.next } : { kind: "resume" };
}

/** What a document of a running stream says about its buffer; null: all is well. */
export function strayed(position: Position, header: BufferHeader): string | null {
  if (header.instance !== position.instance) return `the agent restarted (instanceId ${position.instance}, now ${header.instance})`;
  if (header.next < position.next) return `the agent's sequences went back from ${position.next} to ${header.next}`;
  // MTConnect.NET begins later in silence when `from` has left the buffer.
  if (header.first > position.next) return `the agent's buffer has run past us: it begins at ${header.first}, and ${position.next} was due`;
  return null;
}

/** Where to begin after an overrun: the buffer moves on while we ask, so each further attempt leaves more margin. */
export function resumeAt(header: BufferHeader, attempt: number): number {
  const held = header.next - header.first;
  return Math.min(header.next, header.first + Math.ceil(held * ([0, 0.02, 0.05, 0.1, 0.25][attempt] ?? 1)));
}

const VERSION = 1;

export const encodePosition = ({ instance, next, seen, conditions, initial }: Position, conditionsText?: string): Cursor => ({
  v: VERSION, instance, next, seen, conditions: conditionsText ?? JSON.stringify(conditions),
  ...(initial && { initialAt: initial.at, initialNow: initial.now }),
});

/** "unreadable": a cursor that is not ours, or of a later version: where we were is not known. */
export function decodePosition(cursor: Cursor | null): Position | null | "unreadable" {
  if (cursor === null) return null;
  const { v, instance, next, seen, conditions, initialAt, initialNow } = cursor;
  if (v !== VERSION || typeof instance !== "string" || typeof next !== "number" || !Number.isSafeInteger(next) || next < 0) return "unreadable";
  const sets = typeof conditions === "string" ? decodeSets(conditions) : null;
  if (sets === null) return "unreadable";
  const time = (value: unknown): UnixMs | null => (typeof value === "number" ? unixMs(value) : null);
  return { instance, next, seen: time(seen), conditions: sets, initial: typeof initialAt === "number" ? { at: initialAt, now: time(initialNow) } : null };
}

function decodeSets(text: string): ConditionSets | null {
  try {
    const sets: unknown = JSON.parse(text);
    if (!isRecord(sets)) return null;
    const entries = Object.entries(sets).map(([id, set]) => [id, Array.isArray(set) ? set.filter(isAlarm) : []] as const);
    return Object.fromEntries(entries);
  } catch (cause) {
    if (cause instanceof SyntaxError) return null;
    throw cause;
  }
}

function isAlarm(value: unknown): value is ActiveAlarm {
  return isRecord(value) && ["key", "code", "text", "nativeType"].every((name) => typeof value[name] === "string") && (value["severity"] === "WARNING" || value["severity"] === "FAULT");
}
