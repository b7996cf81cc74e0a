/**
 * What the control says → our signals, as tables with the section of focas.md each row is from. Execution is not a table:
 * evidence.ts decides it.
 */
import type { ControllerMode, Signal } from "../../agent/contract/observation.ts";

interface Row {
  readonly signal: Signal;
  /** What is read, in the vendor's names. */
  readonly read: string;
  readonly source: string;
}

export const SIGNAL_ROWS: readonly Row[] = [
  { signal: "availability", read: "the session itself", source: "§1" },
  { signal: "execution", read: "statinfo run, with evidence", source: "§7.1, §8" },
  { signal: "controller_mode", read: "statinfo aut", source: "§7.1" },
  { signal: "emergency_stop", read: "statinfo emergency", source: "§7.1" },
  { signal: "alarm", read: "statinfo alarm, alarm2, rdalmmsg2", source: "§5.7" },
  { signal: "program", read: "rdprgnum main; pdf_rdmain where programs have names", source: "§5.3" },
  { signal: "subprogram", read: "rdprgnum running; exeprgname2 or exeprgname", source: "§5.3" },
  { signal: "program_comment", read: "program directory", source: "§4" },
  { signal: "block", read: "rdseqnum", source: "§5.3" },
  { signal: "tool", read: "rdcommand T; macro #4120", source: "§5.9" },
  { signal: "part_count", read: "parameter 6711; macro #3901", source: "§5.4" },
  { signal: "part_count_target", read: "parameter 6713; macro #3902", source: "§5.4" },
  { signal: "spindle_speed", read: "acts", source: "§5.6" },
  { signal: "spindle_load", read: "rdspmeter, first spindle", source: "§5.6" },
  { signal: "feedrate", read: "actf", source: "§5.6" },
  { signal: "feed_override", read: "PMC G12, inverted", source: "§5.6" },
  { signal: "rapid_override", read: "PMC, where configured", source: "§5.6" },
  { signal: "spindle_override", read: "PMC G30", source: "§5.6" },
  { signal: "message", read: "rdopmsg types 0 to 4", source: "§5.8" },
];

/** statinfo aut. 2, nothing selected, says nothing. source: §7.1, §8 */
const MODES: Readonly<Record<number, ControllerMode>> = {
  0: "MANUAL_DATA_INPUT", 1: "AUTOMATIC", 3: "EDIT", 4: "MANUAL", 5: "MANUAL", 6: "MANUAL", 7: "MANUAL", 8: "MANUAL", 9: "MANUAL", 10: "AUTOMATIC",
};
export const modeOf = (aut: number): ControllerMode | null => MODES[aut] ?? null;

/** statinfo emergency. 3, wait (35i), is not told by any source. source: §7.1 */
const EMERGENCY: Readonly<Record<number, "ARMED" | "TRIGGERED">> = { 0: "ARMED", 1: "TRIGGERED", 2: "ARMED" };
export const emergencyOf = (emergency: number): "ARMED" | "TRIGGERED" | null => EMERGENCY[emergency] ?? null;

/** Timers of the control, by number and by the parameters that hold them where there is no timer call. source: §5.4, §5.10 */
export const TIMERS = [
  { point: "power_on_time", type: 0, minutes: 6750, ms: null, source: "§5.10 type 0; §5.4" },
  { point: "operating_time", type: 1, minutes: 6752, ms: 6751, source: "§5.10 type 1; §5.4" },
  { point: "cutting_time", type: 2, minutes: 6754, ms: 6753, source: "§5.10 type 2; §5.4" },
  { point: "cycle_time", type: 3, minutes: 6758, ms: 6757, source: "§5.10 type 3; §5.4" },
] as const;

/** Lathes and mills show O0001: four digits at least. */
export const programOf = (number: number): string => `O${String(number).padStart(4, "0")}`;
