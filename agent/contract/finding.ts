/** What detectors conclude: records to publish, live values to show, and facts for the detectors after them. */
import type { ActiveAlarm } from "./observation.ts";
import type { CycleKind, CycleOutcome, MachineState, Mode, NewRecord } from "./record.ts";
import type { UnixMs } from "./time.ts";

/** The machine's state changed at `at`. `cause` names what a downtime's reason may be read from. */
export interface StateChange {
  readonly kind: "state-change";
  readonly at: UnixMs;
  readonly from: MachineState | null;
  readonly to: MachineState;
  readonly mode: Mode;
  /** Why UNKNOWN, when `to` is UNKNOWN. */
  readonly unknownBecause?: "link-down" | "unavailable" | "source-restarted" | "position-jump" | "overflow" | "agent-stopped" | "not-reported" | "late" | "clock-step";
}
export interface CycleOpened {
  readonly kind: "cycle-opened";
  readonly at: UnixMs;
  readonly recordId: string;
}
/** A cycle's record has been concluded; it comes up to `counter_join` after the cycle's end. */
export interface CycleClosed {
  readonly kind: "cycle-closed";
  readonly start: UnixMs;
  readonly end: UnixMs;
  readonly recordId: string;
  readonly cycleKind: CycleKind;
  readonly outcome: CycleOutcome;
  readonly elapsedMs: number;
}
/** Parts that count: the machine's quantity of record, credited at `at` (the cycle's end, or the counter's step). */
export interface PartsCredited {
  readonly kind: "parts";
  readonly at: UnixMs;
  readonly delta: number;
}
export interface AlarmRaised {
  readonly kind: "alarm-raised";
  readonly at: UnixMs;
  readonly recordId: string;
  readonly alarm: ActiveAlarm;
}
export interface AlarmCleared {
  readonly kind: "alarm-cleared";
  readonly at: UnixMs;
  readonly recordId: string;
}
export interface Concluded {
  readonly kind: "record";
  readonly record: NewRecord;
}
/** A current value for `…/live/{name}`: retained, outside the ledger. */
export interface LiveValue {
  readonly kind: "live";
  readonly name: string;
  readonly value: string | number | boolean | null | readonly ActiveAlarm[];
  readonly at: UnixMs;
}
/** By which name a signal is shown: those of further paths carry the path's number, `execution/2`. */
export const liveName = (mainPath: number, { signal, path }: { readonly signal: string; readonly path?: number }): string =>
  path === undefined || path === mainPath ? signal : `${signal}/${path}`;
/**
 * `point/GROUP:NAME` is one of several values that are shown together, in one message `…/live/{point/GROUP}`:
 * {"values": {"NAME": …}, "at": …}. Null: a value that stands alone.
 */
export function groupOf(name: string): { readonly group: string; readonly member: string } | null {
  const [, point, member, path] = /^(point\/[^:/]+):([^:/]+)(\/\d+)?$/u.exec(name) ?? [];
  return point === undefined || member === undefined ? null : { group: `${point}${path ?? ""}`, member };
}
export type Finding = StateChange | CycleOpened | CycleClosed | PartsCredited | AlarmRaised | AlarmCleared | Concluded | LiveValue;
