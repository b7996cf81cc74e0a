/** A Haas control's words → ours, as tables. The words are an open list: another one is kept, as UNCERTAIN. Source: haas.md. */
import type { ControllerMode, Execution } from "../../agent/contract/observation.ts";

export const STATUS_ROWS: readonly { readonly word: string; readonly execution: Execution; readonly isAlarm: boolean; readonly source: string }[] = [
  { word: "IDLE", execution: "READY", isAlarm: false, source: "§2 Status word" },
  { word: "FEED HOLD", execution: "FEED_HOLD", isAlarm: false, source: "§2 Status word" },
  { word: "ALARM ON", execution: "STOPPED", isAlarm: true, source: "§2 Status word; an emergency stop shows so, too" },
  { word: "BUSY", execution: "ACTIVE", isAlarm: false, source: "§1 Busy" },
  { word: "RUNNING", execution: "ACTIVE", isAlarm: false, source: "§2: the word of a running NGC is not fixed; this one can mean nothing else" },
];

/** Without the brackets of older controls. */
export const MODE_ROWS: readonly { readonly words: readonly string[]; readonly mode: ControllerMode; readonly source: string }[] = [
  { words: ["MEM"], mode: "AUTOMATIC", source: "§2 Q104" },
  { words: ["MDI"], mode: "MANUAL_DATA_INPUT", source: "§2 Q104" },
  { words: ["JOG", "ZERO", "ZERO RET"], mode: "MANUAL", source: "§2 Q104" },
  { words: ["EDIT", "LIST PROG"], mode: "EDIT", source: "§2 Q104" },
];

/** The alarm that ALARM ON is: Q commands give no number and no text (haas.md §2). */
export const UNNAMED_ALARM = { key: "ALARM ON", code: "", severity: "FAULT", text: "alarm on; the Q commands do not say which", nativeType: "SYSTEM" } as const;

/** Live values of the slow round: counts and seconds. */
export const ROUND_ROWS = [
  { q: 201, signal: "tool", value: "text", source: "§2" },
  { q: 303, signal: "point/last_cycle", value: "time", source: "§2" },
  { q: 200, signal: "point/tool_changes", value: "number", source: "§2" },
  { q: 201, signal: "tool", value: "text", source: "§2: more often than totals" },
  { q: 300, signal: "point/power_on_time", value: "time", source: "§2" },
  { q: 304, signal: "point/previous_cycle", value: "time", source: "§2" },
] as const;
