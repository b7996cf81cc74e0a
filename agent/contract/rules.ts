/** What one machine's detectors need to know: decoded from the YAML by `agent/config`, plain JSON, frozen. */
import type { CycleKind, DowntimeCategory, MachineState } from "./record.ts";

/** A program list entry. `match` is a glob over the main program's name: `*` any text, `?` one character. */
export interface ProgramRule {
  readonly match: string;
  readonly kind: CycleKind;
  readonly partsPerCycle?: number;
}

/** First rule that fits gives the reason. Absent conditions fit anything; `alarm` is a glob over code or text. */
export interface ReasonRule {
  readonly state?: MachineState;
  readonly alarm?: string;
  readonly code: string;
  readonly text?: string;
  readonly category?: DowntimeCategory;
}

export type Weekday = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";
/** Local wall times as minutes since midnight; `end` at or before `start` crosses midnight. `days`: on which it starts. */
export interface ShiftRule {
  readonly code: string;
  readonly startMinute: number;
  readonly endMinute: number;
  readonly days: readonly Weekday[];
}
export interface BreakRule {
  readonly name: string;
  readonly startMinute: number;
  readonly endMinute: number;
  readonly days: readonly Weekday[];
}
/** `closed` drops the shifts that start on that local date (holiday, shutdown); `shifts` replaces them (overtime). */
export interface CalendarException {
  /** Local date, YYYY-MM-DD. */
  readonly date: string;
  readonly name: string;
  readonly shifts: readonly Omit<ShiftRule, "days">[];
}
export interface CalendarRules {
  readonly name: string;
  /** Content hash: says in a record which calendar drew it. */
  readonly version: string;
  readonly timezone: string;
  readonly shifts: readonly ShiftRule[];
  readonly breaks: readonly BreakRule[];
  readonly exceptions: readonly CalendarException[];
  /** strict: a break stays planned time even if the machine ran; credit: what it ran counts as production and as busy time. */
  readonly breakMode: "strict" | "credit";
}

export interface MachineRules {
  readonly agent: string;
  readonly machine: string;
  readonly timezone: string;
  /** Whose program and count stand for the machine, on a control with several paths. */
  readonly mainPath: number;
  readonly state: {
    /** Least duration of a state; 0 for sources that stamp their events. */
    readonly minimumMs: number;
  };
  readonly cycle: {
    readonly minimumMs: number;
    readonly counterJoinMs: number;
    readonly partsPerCycle: number;
    readonly quantity: "counter" | "cycle" | "auto";
    readonly programs: readonly ProgramRule[];
    /** Least spindle speed that counts as turning; rev/min. */
    readonly spindleMinimumRpm: number;
    /** An aborted cycle followed by the same program within this time is a restart of the same part; 0 turns it off. */
    readonly restartWithinMs: number;
  };
  readonly count: {
    /** Largest step that counts without confirmation; larger ones are held until confirmed. */
    readonly maximumStep: number;
    /** Further reports or elapsed time that confirm a held step. */
    readonly confirmReports: number;
    readonly confirmAfterMs: number;
  };
  readonly downtime: {
    readonly thresholdMs: number;
    readonly microStopMs: number;
    /** True: WAITING has left RUNNING and may become a downtime. */
    readonly waitingCounts: boolean;
    readonly reasons: readonly ReasonRule[];
  };
  readonly alarm: {
    /** Raised again within this time after clearing: the same record, raiseCount + 1. */
    readonly rejoinMs: number;
  };
  readonly calendar: CalendarRules | null;
}
