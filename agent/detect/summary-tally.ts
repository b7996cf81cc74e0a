/**
 * What one summary window has gathered so far. Promises: state times and category times each add up to the time accrued,
 * to the millisecond. The share of a stop whose category is not yet known stands apart in `share` until it is resolved.
 */
import { MACHINE_STATES, type CycleOutcome, type DowntimeCategory, type MachineState } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { UnixMs } from "../contract/time.ts";
import type { Window } from "./calendar.ts";
import { hasLeftRunning } from "./downtime.ts";

/** load_unload: stops no longer than the downtime threshold. Order is that of the record. */
export const CATEGORIES = ["production", "waiting", "load_unload", "unplanned", "planned", "micro", "setup", "unscheduled", "unknown"] as const;
export type Category = (typeof CATEGORIES)[number];

export interface Counts {
  cycles: number;
  completed: number;
  aborted: number;
  interrupted: number;
  unknown: number;
  parts: number;
}

/** The part of one stop that lies in a window. */
export interface Share {
  /** Start of the stop, which names its downtime. */
  readonly stop: UnixMs;
  ms: number;
  /** Of `ms`, outside planned breaks: what the downtime's category decides. */
  workMs: number;
}

export interface Tally {
  readonly window: Window;
  readonly calendarVersion: string;
  readonly stateMs: Record<MachineState, number>;
  readonly categoryMs: Record<Category, number>;
  /** Planned breaks: all of them, the part that ran, the part not seen. */
  readonly pause: { ms: number; ranMs: number; unknownMs: number };
  readonly counts: Counts;
  readonly stops: { n: number; ms: number; microN: number; microMs: number };
  share: Share | null;
  /** Last revision published; 0: none yet. */
  rev: number;
  /** Category given to `share` in it. */
  said: DowntimeCategory | null;
}

const zeros = <K extends string>(keys: readonly K[]): Record<K, number> => Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;

export const emptyTally = (window: Window, calendarVersion: string): Tally => ({
  window,
  calendarVersion,
  stateMs: zeros(MACHINE_STATES),
  categoryMs: zeros(CATEGORIES),
  pause: { ms: 0, ranMs: 0, unknownMs: 0 },
  counts: { cycles: 0, completed: 0, aborted: 0, interrupted: 0, unknown: 0, parts: 0 },
  stops: { n: 0, ms: 0, microN: 0, microMs: 0 },
  share: null,
  rev: 0,
  said: null,
});

/** A copy whose numbers may be changed. */
export const copyTally = (tally: Tally): Tally => ({
  ...tally,
  stateMs: { ...tally.stateMs },
  categoryMs: { ...tally.categoryMs },
  pause: { ...tally.pause },
  counts: { ...tally.counts },
  stops: { ...tally.stops },
  share: tally.share && { ...tally.share },
});

/** Adds `ms` in `machine`, inside a planned break or not. `stop`: start of the stop it belongs to, if it does. */
export function accrue(tally: Tally, rules: MachineRules, ms: number, now: { readonly machine: MachineState; readonly paused: boolean; readonly stop: UnixMs | null }): void {
  const { machine, paused, stop } = now;
  tally.stateMs[machine] += ms;
  if (paused) tally.pause.ms += ms;
  const stopped = stop !== null && hasLeftRunning(rules, machine);
  if (stopped) {
    tally.share ??= { stop, ms: 0, workMs: 0 };
    tally.share.ms += ms;
  }
  if (machine === "UNKNOWN") {
    tally.categoryMs.unknown += ms;
    if (paused) tally.pause.unknownMs += ms;
  } else if (paused) {
    // Strict: a break stays planned even where the machine ran, so that no ratio on scheduled time can exceed 1.
    const credited = machine === "RUNNING" && rules.calendar?.breakMode === "credit";
    if (credited) tally.pause.ranMs += ms;
    tally.categoryMs[credited ? "production" : "planned"] += ms;
  } else if (stopped && tally.share) tally.share.workMs += ms;
  else tally.categoryMs[machine === "RUNNING" ? "production" : "waiting"] += ms;
}

const CATEGORY_OF: Readonly<Record<DowntimeCategory, Category>> = {
  unplanned: "unplanned", unclassified: "unplanned", planned: "planned", setup: "setup", micro: "micro", no_schedule: "unscheduled",
};

/** Moves the stop's share to where it belongs: its downtime's category, or load_unload when it became none (null). */
export function resolveShare(tally: Tally, category: DowntimeCategory | null): void {
  const { share, stops } = tally;
  if (!share) return;
  tally.share = null;
  tally.categoryMs[category === null ? "load_unload" : CATEGORY_OF[category]] += share.workMs;
  if (category === null) return;
  const begins = share.stop >= tally.window.start ? 1 : 0;
  stops.n += begins;
  stops.ms += share.ms;
  if (category !== "micro") return;
  stops.microN += begins;
  stops.microMs += share.ms;
}

export function countCycle(tally: Tally, outcome: CycleOutcome): void {
  tally.counts.cycles += 1;
  tally.counts[outcome] += 1;
}
