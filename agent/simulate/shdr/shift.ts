/** The scripted shift as an adapter tells it: its own names for things, one line per moment, conditions alone. Facts: mtconnect.md §11. */
import { scriptedShift, type Shift, type ShiftStep } from "../shift.ts";
import type { Said } from "./adapter.ts";

/** Signal → the adapter's key. Every builder has his own. */
const KEYS: Readonly<Record<string, string>> = {
  availability: "avail", emergency_stop: "estop", power_state: "power", door: "door_state", execution: "pexecution", controller_mode: "pmode",
  functional_mode: "fmode", program: "pprogram", program_comment: "pcomment", part_count: "ppartcount", tool: "ptool", message: "pmessage",
  feed_override: "pFovr", rapid_override: "pRovr", spindle_override: "S1ovr", spindle_speed: "S1speed", spindle_load: "S1load", feedrate: "p1Fact",
};
const CONDITION = "plogic";

/** What a technician would write under `map`; the adapter sends its feed rate in mm/min. */
export const SHIFT_MAP: Readonly<Record<string, string | { readonly signal: string; readonly unit: string }>> = {
  ...Object.fromEntries(Object.entries(KEYS).map(([signal, key]) => [key, signal])),
  [KEYS["feedrate"] ?? ""]: { signal: "feedrate", unit: "MILLIMETER/MINUTE" },
  [CONDITION]: "alarm",
};

export interface ShdrStep {
  readonly atMs: number;
  readonly items: readonly Said[];
  readonly conditions: readonly Said[];
  readonly cable?: "pull" | "plug";
}

/** Begins with its conditions normal. */
export function shdrShift(seed = 1): { readonly shift: Shift; readonly steps: readonly ShdrStep[] } {
  const shift = scriptedShift(seed);
  const normal: ShdrStep = { atMs: 0, items: [], conditions: [{ key: CONDITION, text: `${CONDITION}|NORMAL||||` }] };
  return { shift, steps: [normal, ...shift.steps.map(stepOf)] };
}

function stepOf({ atMs, signals, alarm, cable }: ShiftStep): ShdrStep {
  return {
    atMs, ...(cable !== undefined && { cable }),
    items: Object.entries(signals).map(([signal, value]) => itemOf(signal, value)),
    conditions: alarm === undefined ? [] : [conditionOf(alarm)],
  };
}

function itemOf(signal: string, value: string): Said {
  const key = KEYS[signal];
  if (key === undefined) throw new Error(`the scripted shift speaks of "${signal}", which the simulated adapter does not have`);
  if (signal === "message") return { key, text: `${key}||${value}` };
  return { key, text: `${key}|${signal === "feedrate" ? Number(value) * 60 : value}` };
}

/** A cleared one is told with its code, and no longer to whoever connects after. */
function conditionOf({ code, severity, text, active }: NonNullable<ShiftStep["alarm"]>): Said {
  const key = `${CONDITION} ${code}`;
  return active ? { key, text: `${CONDITION}|${severity}|${code}|1||${text}` } : { key: CONDITION, forget: key, text: `${CONDITION}|NORMAL|${code}|||` };
}
