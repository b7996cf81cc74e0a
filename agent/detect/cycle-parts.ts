/** The plain shapes of a cycle under way, of one that has ended and waits for its counter, and of what lies between. */
import type { Body, CycleOutcome } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { UnixMs } from "../contract/time.ts";
import type { CounterStep } from "./counter-step.ts";
import type { Companions } from "./cycle-sums.ts";
import type { Moment } from "./moment.ts";
import type { Timing } from "./timing.ts";

export type EndedBy = Body<"cycle">["endedBy"];

/** What adds up during a cycle. */
export interface Sums {
  readonly inCycleMs: number;
  readonly heldMs: number;
  readonly spindleMs: number;
  readonly tools: number;
}
export const NO_SUMS: Sums = { inCycleMs: 0, heldMs: 0, spindleMs: 0, tools: 0 };

export const minus = (one: Sums, other: Sums): Sums => ({
  inCycleMs: one.inCycleMs - other.inCycleMs, heldMs: one.heldMs - other.heldMs, spindleMs: one.spindleMs - other.spindleMs, tools: one.tools - other.tools,
});

/** A counter step inside a cycle: its boundary if ACTIVE lasts longer than counter_join after it (then with the sums as they stood). */
export interface PendingStep {
  readonly steps: readonly CounterStep[];
  readonly sums: Sums;
  readonly alarms: number;
  readonly boundary: boolean;
}

/** Parts already counted inside a cycle. */
export interface Counted {
  readonly name: string;
  readonly epoch: number;
  readonly from: number | null;
  readonly to: number;
  readonly delta: number;
}

export interface OpenCycle {
  readonly id: string;
  readonly start: UnixMs;
  readonly timing: Timing;
  readonly startObserved: boolean;
  readonly main: string | null;
  readonly active: string | null;
  readonly comment: string | null;
  readonly paths: readonly number[];
  readonly gapBeforeMs: number | null;
  readonly sums: Sums;
  /** Up to here time, and spindle time, are in the sums. */
  readonly since: UnixMs;
  readonly spindleSince: UnixMs;
  /** False once spindle speed was unknown during the cycle. */
  readonly spindleKnown: boolean;
  /** False once the tool was unknown during the cycle. */
  readonly toolsKnown: boolean;
  readonly alarmIds: readonly string[];
  /** Faults raised during the cycle and still active. */
  readonly faults: readonly string[];
  readonly pending: PendingStep | null;
  readonly counted: Counted | null;
}

export interface EndedCycle {
  readonly cycle: OpenCycle;
  readonly end: UnixMs;
  readonly endedBy: EndedBy;
  /** Execution was held when it ended. */
  readonly fromHold: boolean;
  /** The control has said that the program completed. */
  readonly completed: boolean;
  readonly steps: readonly CounterStep[];
  /** Published at this event time, with what has come by then. */
  readonly due: UnixMs;
}

/** What is known from the cycles published before. */
export interface CycleHistory {
  /** The last published cycle, for restarts of the same part. */
  readonly last: { readonly id: string; readonly end: UnixMs; readonly outcome: CycleOutcome; readonly main: string | null } | null;
  /** End of the first cycle at whose end the counter stepped: it works. With `quantity: auto` it counts from there on. */
  readonly counterFrom: UnixMs | null;
  /** The control has shown PROGRAM_COMPLETED, ever: READY without it is a reset there. */
  readonly completes: boolean;
}

export interface CycleState {
  readonly open: OpenCycle | null;
  /** Ended and not yet published, in order of their ends; bounded by ENDED_LIMIT. */
  readonly ended: readonly EndedCycle[];
  readonly history: CycleHistory;
  /** End of the cycle before, for the load and unload time; null after a gap. */
  readonly lastEnd: UnixMs | null;
  /** When the machine last left RUNNING; null after a gap. */
  readonly lastRun: UnixMs | null;
  readonly companions: Companions;
}
export type CycleDraft = { -readonly [K in keyof CycleState]: CycleState[K] } & { readonly rules: MachineRules; readonly moment: Moment };

/** Puts a cycle in the line of those to be published. */
export function endWith(draft: CycleDraft, ended: EndedCycle): void {
  draft.ended = [...draft.ended, ended];
  draft.lastEnd = ended.end;
}
