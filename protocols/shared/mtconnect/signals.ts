/**
 * MTConnect data items → our signals, as a table. For each signal and control path one item is chosen: by the order of
 * `places` (nearest kind of component), then of `subTypes`, then of the rows, then of the model. Conditions are not
 * chosen: each is an `alarm` set of its own. Sources: MTConnect Part 2/3 as summed up in mtconnect.md §7.
 */
import { CONTROLLER_MODES, EXECUTIONS, FUNCTIONAL_MODES, type Signal } from "../../../agent/contract/observation.ts";

/** How the text of an observation becomes a value. */
export type ValueKind =
  | { readonly kind: "text" }
  | { readonly kind: "number" }
  | { readonly kind: "integer" }
  /** Number when it reads as one, else text: for configured points of a SAMPLE. */
  | { readonly kind: "free" }
  /** A closed list; `aliases` are other spellings. Another word is kept, as UNCERTAIN. */
  | { readonly kind: "words"; readonly words: readonly string[]; readonly aliases: Readonly<Record<string, string>> };

interface Row {
  readonly signal: Signal;
  readonly type: string;
  /** In order of preference; "" means without subType. Other subTypes are other data items (mtconnect.md §7, PartCount). */
  readonly subTypes: readonly string[];
  /** In order of preference; "*" means any other component. */
  readonly places: readonly string[];
  readonly source: string;
}

const CONTROL = ["Path", "Controller", "Device", "*"];
/** Not on an axis or a pump: what is said there is not said of the machine. */
const OF_MACHINE = ["Path", "Controller", "Device"];

export const SIGNAL_ROWS: readonly Row[] = [
  { signal: "availability", type: "AVAILABILITY", subTypes: [""], places: ["Device", "Controller", "Path"], source: "§7 Availability" },
  { signal: "execution", type: "EXECUTION", subTypes: [""], places: CONTROL, source: "§7 Execution" },
  { signal: "controller_mode", type: "CONTROLLER_MODE", subTypes: [""], places: CONTROL, source: "§7 ControllerMode" },
  { signal: "functional_mode", type: "FUNCTIONAL_MODE", subTypes: [""], places: CONTROL, source: "§7 FunctionalMode" },
  { signal: "emergency_stop", type: "EMERGENCY_STOP", subTypes: [""], places: CONTROL, source: "§7 Others" },
  { signal: "power_state", type: "POWER_STATE", subTypes: ["", "LINE"], places: ["Device", "Controller", "Electric", "Power"], source: "§7 Others" },
  { signal: "power_state", type: "POWER_STATUS", subTypes: [""], places: ["Device", "Controller", "Electric", "Power"], source: "§7 Others, before 1.1" },
  { signal: "program", type: "PROGRAM", subTypes: ["MAIN", ""], places: CONTROL, source: "§7 Others: no subType = main" },
  { signal: "subprogram", type: "PROGRAM", subTypes: ["ACTIVE", "x:SUB"], places: CONTROL, source: "§7 Others" },
  { signal: "program_comment", type: "PROGRAM_COMMENT", subTypes: ["MAIN", ""], places: CONTROL, source: "§7 Others" },
  { signal: "part_count", type: "PART_COUNT", subTypes: ["ALL", "", "COMPLETE"], places: CONTROL, source: "§7 PartCount" },
  { signal: "part_count_good", type: "PART_COUNT", subTypes: ["GOOD"], places: CONTROL, source: "§7 PartCount" },
  { signal: "part_count_bad", type: "PART_COUNT", subTypes: ["BAD"], places: CONTROL, source: "§7 PartCount" },
  { signal: "part_count_target", type: "PART_COUNT", subTypes: ["TARGET"], places: CONTROL, source: "§7 PartCount" },
  { signal: "tool", type: "TOOL_NUMBER", subTypes: [""], places: CONTROL, source: "§7 Others" },
  { signal: "tool", type: "TOOL_ID", subTypes: [""], places: CONTROL, source: "§7 Others, deprecated" },
  { signal: "tool", type: "TOOL_ASSET_ID", subTypes: [""], places: CONTROL, source: "§7 Others" },
  { signal: "feedrate", type: "PATH_FEEDRATE", subTypes: ["ACTUAL", ""], places: CONTROL, source: "§7 Others" },
  { signal: "feed_override", type: "PATH_FEEDRATE_OVERRIDE", subTypes: ["PROGRAMMED", ""], places: CONTROL, source: "§7 Others" },
  { signal: "feed_override", type: "PATH_FEEDRATE", subTypes: ["OVERRIDE"], places: CONTROL, source: "§7 Others, before 1.3" },
  { signal: "rapid_override", type: "PATH_FEEDRATE_OVERRIDE", subTypes: ["RAPID"], places: CONTROL, source: "§7 Others" },
  { signal: "spindle_override", type: "ROTARY_VELOCITY_OVERRIDE", subTypes: [""], places: ["Path", "Controller", "Rotary", "*"], source: "§7 Others" },
  { signal: "spindle_override", type: "ROTARY_VELOCITY", subTypes: ["OVERRIDE"], places: ["Rotary", "*"], source: "§7 Others, before 1.3" },
  { signal: "spindle_override", type: "SPINDLE_SPEED", subTypes: ["OVERRIDE"], places: ["Rotary", "*"], source: "§7 Others, before 1.3" },
  { signal: "message", type: "MESSAGE", subTypes: [""], places: OF_MACHINE, source: "§7 Others" },
  { signal: "door", type: "DOOR_STATE", subTypes: [""], places: ["Door", "*"], source: "§7 Others" },
];
/** Measured on rotary axes that are spindles (`items.ts` says which); others are positioned, not turned. */
export const SPINDLE_ROWS: readonly Omit<Row, "places">[] = [
  { signal: "spindle_speed", type: "ROTARY_VELOCITY", subTypes: ["ACTUAL", ""], source: "§7 Others" },
  { signal: "spindle_speed", type: "SPINDLE_SPEED", subTypes: ["ACTUAL", ""], source: "§7 Others, Haas" },
  { signal: "spindle_load", type: "LOAD", subTypes: ["ACTUAL", ""], source: "§7 Others" },
];

const words = (known: readonly string[], aliases: Readonly<Record<string, string>> = {}): ValueKind => ({ kind: "words", words: known, aliases });
const TEXT: ValueKind = { kind: "text" };
const NUMBER: ValueKind = { kind: "number" };
const INTEGER: ValueKind = { kind: "integer" };

export const VALUE_KINDS: Readonly<Record<Exclude<Signal, "alarm">, ValueKind>> = {
  availability: words(["AVAILABLE"]),
  execution: words(EXECUTIONS, { PROGRAM_OPTIONAL_STOP: "OPTIONAL_STOP" }),
  // 2.0 lists FEED_HOLD as a mode: automatic, held (§7 ControllerMode).
  controller_mode: words(CONTROLLER_MODES, { FEED_HOLD: "AUTOMATIC" }),
  functional_mode: words(FUNCTIONAL_MODES),
  emergency_stop: words(["ARMED", "TRIGGERED"]),
  power_state: words(["ON", "OFF"]),
  door: words(["OPEN", "CLOSED"]),
  part_count: INTEGER, part_count_good: INTEGER, part_count_bad: INTEGER, part_count_target: INTEGER,
  spindle_speed: NUMBER, spindle_load: NUMBER, feedrate: NUMBER, feed_override: NUMBER, rapid_override: NUMBER, spindle_override: NUMBER,
  program: TEXT, program_comment: TEXT, subprogram: TEXT, block: TEXT, tool: TEXT, message: TEXT,
};

/** Factor from the unit in the model to ours (design.md §2), by signal. Absent: as it is. */
export const UNIT_FACTORS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  feedrate: { "MILLIMETER/SECOND": 1, "MILLIMETER/MINUTE": 1 / 60, "INCH/SECOND": 25.4, "INCH/MINUTE": 25.4 / 60, "FOOT/MINUTE": 304.8 / 60 },
  spindle_speed: { "REVOLUTION/MINUTE": 1, "REVOLUTION/SECOND": 60, "DEGREE/SECOND": 1 / 6 },
};
