/** What sources say: readings, gaps, batches; and the vocabulary of signals they are translated into (design.md §2). */
import type { Instant, UnixMs } from "./time.ts";

export const EXECUTIONS = [
  "READY", "ACTIVE", "INTERRUPTED", "FEED_HOLD", "STOPPED", "OPTIONAL_STOP", "PROGRAM_STOPPED", "PROGRAM_COMPLETED", "WAIT",
] as const;
export type Execution = (typeof EXECUTIONS)[number];
export const CONTROLLER_MODES = ["AUTOMATIC", "SEMI_AUTOMATIC", "MANUAL", "MANUAL_DATA_INPUT", "EDIT"] as const;
export type ControllerMode = (typeof CONTROLLER_MODES)[number];
export const FUNCTIONAL_MODES = ["PRODUCTION", "SETUP", "TEARDOWN", "MAINTENANCE", "PROCESS_DEVELOPMENT"] as const;
export type FunctionalMode = (typeof FUNCTIONAL_MODES)[number];

/** Signals that decide states, cycles and counts. They alone move a machine's event-time axis. */
export const DECIDING_SIGNALS = [
  "availability", "execution", "controller_mode", "functional_mode", "emergency_stop", "alarm",
  "program", "part_count", "part_count_good", "part_count_bad", "power_state",
] as const;
export type DecidingSignal = (typeof DECIDING_SIGNALS)[number];
/** Signals that accompany: live values and measures. A high-rate position can so never move a state's boundary. */
export const ACCOMPANYING_SIGNALS = [
  "program_comment", "subprogram", "block", "tool", "part_count_target", "spindle_speed", "spindle_load", "feedrate",
  "feed_override", "rapid_override", "spindle_override", "message", "door",
] as const;
export type AccompanyingSignal = (typeof ACCOMPANYING_SIGNALS)[number];
export type Signal = DecidingSignal | AccompanyingSignal;

/** One active condition of a machine. Identity within a machine: `key` (conditionId, else native code, else item and text). */
export interface ActiveAlarm {
  readonly key: string;
  readonly code: string;
  readonly severity: "WARNING" | "FAULT";
  readonly text: string;
  /** MTConnect condition type, or the native alarm group: SYSTEM, LOGIC_PROGRAM, … */
  readonly nativeType: string;
}

/** The alarm signal's value is the whole set of active conditions of one condition item. */
export type Value = string | number | boolean | readonly ActiveAlarm[];

interface ReadingCommon {
  readonly kind: "reading";
  readonly signal: string;
  /** Which of several native items feeds this signal: for `alarm` the data item id (each item is a set of its own). */
  readonly item?: string;
  /** Identity of the source's numbering (MTConnect instanceId) and the number in it: the natural key of records. */
  readonly instance?: string;
  readonly position?: number;
  readonly path?: number;
  /** The source's own stamp, unshifted. */
  readonly sourceTime?: UnixMs;
  /** Of a polled source: how much earlier it may have become so, the time since the poll before. */
  readonly uncertaintyMs?: number;
  /** True for a value that was already so when we began to look (a snapshot): a state, not an event. Its stamp is old. */
  readonly initial?: boolean;
}
/** One value of one signal as the device gave it. `null` exactly when unavailable: never an invented zero. */
export type Reading = ReadingCommon & (
  | { readonly quality: "GOOD" | "UNCERTAIN"; readonly value: Value }
  | { readonly quality: "UNAVAILABLE"; readonly value: null });

/** `clock-step`: the clock that dates the readings was set forward, and no time passed in what it jumped over. */
export type GapReason = "source-restarted" | "position-jump" | "overflow" | "late" | "link-down" | "agent-stopped" | "clock-step";
/**
 * Something was missed, and we know it: every value is unknown from `from` until it is next reported.
 * Times are the source's own stamps where it has them. `missing` counts readings where the source numbers them.
 */
export interface Gap {
  readonly kind: "gap";
  readonly reason: GapReason;
  readonly from?: UnixMs;
  readonly to?: UnixMs;
  readonly missing?: number;
}

export type CursorValue = string | number | boolean | null;
/** Where to resume: opaque, flat JSON, owned by the driver. */
export type Cursor = Readonly<Record<string, CursorValue>>;

/** What one poll, document or notification gave, together and in order. `cursor` resumes after it; stored with its records. */
export interface Batch {
  readonly items: readonly (Reading | Gap)[];
  readonly cursor?: Cursor;
  /** The source's clock when it made this batch (MTConnect creationTime). Absent: the source has no clock. */
  readonly sourceNow?: UnixMs;
  /** True when the source held nothing newer when it made this batch: time may advance to `sourceNow`. */
  readonly caughtUp: boolean;
}

/** A reading placed: whose it is, and when it was true on the machine's time axis. Made by `stamp`, never by a driver. */
export type Observation = Reading & {
  readonly machine: string;
  readonly at: UnixMs;
  readonly basis: "source" | "shifted" | "gateway";
  /** True when the stamp stepped back and was clamped to not before the item's previous observation (mtconnect.md §8). */
  readonly clamped?: boolean;
};

/** When and by which source the gateway learned something: travels beside events, never into a record's data. */
export interface Arrival {
  readonly source: string;
  readonly received: Instant;
  /** This gateway's clock was not set: nothing is measured by it, and what it dates says so. */
  readonly unsynchronised?: true;
}
