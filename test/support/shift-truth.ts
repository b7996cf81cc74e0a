/** What the scripted shift means, worked out from its own words and not by the detectors: states and cycles, in ms after its start. */
import type { Shift } from "../../agent/simulate/shift.ts";

export interface TrueState {
  readonly state: string;
  readonly startMs: number;
}

const BY_EXECUTION: Readonly<Record<string, string>> = { ACTIVE: "RUNNING", FEED_HOLD: "HELD", INTERRUPTED: "HELD", PROGRAM_STOPPED: "PROGRAM_STOP", OPTIONAL_STOP: "PROGRAM_STOP", WAIT: "WAITING" };

/** Neighbours differ. */
export function trueStates({ steps }: Shift): readonly TrueState[] {
  const states: TrueState[] = [];
  let [mode, execution, isAlarmed] = ["", "", false];
  for (const { atMs, signals, alarm } of steps) {
    mode = signals["controller_mode"] ?? mode;
    execution = signals["execution"] ?? execution;
    isAlarmed = alarm?.active ?? isAlarmed;
    const state = isAlarmed && execution !== "ACTIVE" ? "ALARM" : mode !== "AUTOMATIC" ? "MANUAL" : BY_EXECUTION[execution] ?? "READY";
    if (states.at(-1)?.startMs === atMs) states.pop();
    if (states.at(-1)?.state !== state) states.push({ state, startMs: atMs });
  }
  return states;
}
