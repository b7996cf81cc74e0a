/** A stop as a `downtime` record: identity, category, reason and the share of each shift (records.md §1.8, §2.4, §7). */
import type { Body, DowntimeCategory, MachineState, NewRecord } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { rfc3339, unixMs, type UnixMs } from "../contract/time.ts";
import { piecesBetween } from "./calendar.ts";
import type { Reason } from "./downtime-reason.ts";
import { recordId } from "./record-id.ts";
import { spanOf, type Timing } from "./timing.ts";

/** A span in scheduled time in which the machine had left RUNNING; a downtime once it is longer than the threshold. */
export interface Stop {
  readonly start: UnixMs;
  /** What names it: the observation that left RUNNING where its source numbers them, else its start. */
  readonly origin: string;
  readonly timing: Timing;
  /** State with which it began. */
  readonly state: MachineState;
  readonly continues: string | null;
  /** Length of the pieces before the gaps that this one goes on from: one long stop cut by a gap is no micro-stop. */
  readonly carriedMs: number;
  readonly reason: Reason | null;
  readonly firstAlarm: { readonly alarmId: string; readonly recordId: string } | null;
}

/** A break that explains a stop: until `overrunAt` (null: as long as the shift lasts) what lies outside breaks is within the allowance. */
export interface Excuse {
  readonly name: string;
  readonly from: UnixMs;
  readonly overrunAt: UnixMs | null;
}

type DowntimeBody = Body<"downtime">;
export type Ending = NonNullable<DowntimeBody["endedBy"]>;

/** The contract's limit; what lies beyond (months of stop over shifts and breaks) becomes one last segment without a shift. */
const SEGMENT_LIMIT = 1000;
/** Breaks looked at to excuse one stop; more than any shift holds. */
const EXCUSE_PIECES = 200;
const REACH_MS = 40 * 86_400_000;

/** The break in the stop's first stretch, until its time outside breaks exceeds the threshold; null when there is none. */
export function excuseOf(rules: MachineRules, start: UnixMs): Excuse | null {
  if (rules.calendar === null || rules.calendar.breaks.length === 0) return null;
  let allowance = rules.downtime.thresholdMs;
  let found: { readonly name: string; readonly from: UnixMs } | null = null;
  let pieces = 0;
  for (const piece of piecesBetween(rules.calendar, start, unixMs(start + REACH_MS))) {
    pieces += 1;
    if (piece.occurrence === null || pieces > EXCUSE_PIECES) break;
    if (piece.pause !== null) found ??= { name: piece.pause, from: piece.from };
    else if (piece.to - piece.from > allowance) return found && { ...found, overrunAt: unixMs(piece.from + allowance + 1) };
    else allowance -= piece.to - piece.from;
  }
  return found && { ...found, overrunAt: null };
}

/** Category and reason of a stop that goes on at `at`. A rule's category wins; else a break excuses it, else it is unplanned. */
function judge(stop: Stop, excuse: Excuse | null, at: UnixMs): Pick<DowntimeBody, "category" | "reasonCode" | "reasonText" | "reasonSource" | "reasonAt"> {
  const excused = excuse !== null && (excuse.overrunAt === null || at < excuse.overrunAt) ? excuse : null;
  const base: DowntimeCategory = excused ? "planned" : "unplanned";
  if (stop.reason) {
    const { code, text, category, at: since } = stop.reason;
    return { category: category ?? base, reasonCode: code, reasonText: text, reasonSource: "rule", reasonAt: rfc3339(since) };
  }
  if (excused) return { category: base, reasonCode: null, reasonText: excused.name, reasonSource: "calendar", reasonAt: rfc3339(excused.from) };
  return { category: base, reasonCode: null, reasonText: null, reasonSource: "none", reasonAt: null };
}

/**
 * Micro: known to have been shorter than the limit. A gap cuts a stop at a length we do not know, so it makes none.
 * A shift's end does: that was all of its scheduled time.
 */
function isMicro(rules: MachineRules, stop: Stop, durationMs: number, endedBy: Ending): boolean {
  return endedBy !== "source_lost" && stop.carriedMs + durationMs < rules.downtime.microStopMs;
}

function segmentsOf(rules: MachineRules, start: UnixMs, end: UnixMs): DowntimeBody["segments"] {
  const segments: DowntimeBody["segments"][number][] = [];
  const add = (shiftId: string | null, from: UnixMs, to: UnixMs, planned: boolean): void => {
    segments.push({ shiftId, from: rfc3339(from), to: rfc3339(to), ms: to - from, planned });
  };
  for (const piece of piecesBetween(rules.calendar, start, end)) {
    if (segments.length === SEGMENT_LIMIT - 1) {
      add(null, piece.from, end, false);
      break;
    }
    add(piece.occurrence?.shiftId ?? null, piece.from, piece.to, piece.pause !== null);
  }
  return segments;
}

/** The record at `at`: open, or closed when `endedBy` says how it ended. */
export function downtimeRecord(
  rules: MachineRules,
  stop: Stop,
  now: { readonly rev: number; readonly at: UnixMs; readonly excuse: Excuse | null; readonly endedBy: Ending | null },
): NewRecord<"downtime"> {
  const { at, rev, endedBy } = now;
  const durationMs = at - stop.start;
  const verdict = judge(stop, now.excuse, at);
  const body: DowntimeBody = {
    ...spanOf(rules, stop.start, endedBy ? at : null, stop.timing),
    ...verdict,
    category: endedBy && isMicro(rules, stop, durationMs, endedBy) ? "micro" : verdict.category,
    firstAlarm: stop.firstAlarm,
    state: stop.state,
    endedBy,
    continues: stop.continues,
    segments: endedBy ? segmentsOf(rules, stop.start, at) : [],
  };
  return { type: "downtime", id: recordId(rules, "downtime", [stop.origin]), rev, start: stop.start, body };
}
