/**
 * What adapters usually call what we read, as a table: only for the proposal of a map (propose.ts). SHDR has no device
 * model and every builder names items differently, so that nothing is read by this table: a technician looks it over.
 * A feed rate is not proposed: its unit cannot be seen. What the types of a Devices.xml mean is
 * protocols/shared/mtconnect/signals.ts. Sources: recordings, by file.
 */
import type { Signal } from "../../agent/contract/observation.ts";

interface Row {
  readonly signal: Signal;
  /** Whole keys, in any letters, in order of preference. */
  readonly keys: readonly string[];
  /** `§`: section of mtconnect.md, then the recordings that name it so. */
  readonly source: string;
}

export const KEY_ROWS: readonly Row[] = [
  { signal: "availability", keys: ["avail", "availability"], source: "§11, Okuma, Mazak01, GFAgie01, Hurco01" },
  { signal: "execution", keys: ["execution", "exec", "pexecution", "p1execution", "program_status"], source: "§7, Mazak01, GFAgie01, Okuma, Hurco01" },
  { signal: "controller_mode", keys: ["mode", "controllermode", "controller_mode", "pmode", "p1mode"], source: "§7, Mazak01, GFAgie01, Okuma" },
  { signal: "functional_mode", keys: ["functionalmode", "functional_mode", "fmode"], source: "§7, Okuma" },
  { signal: "emergency_stop", keys: ["estop", "emergency_stop", "estop_state"], source: "§7, Mazak01, Okuma, Hurco01" },
  { signal: "power_state", keys: ["power", "power_state"], source: "§7, Mazak01" },
  { signal: "program", keys: ["program", "pprogram", "p1program", "program_name_running"], source: "§7, Mazak01, Okuma, Hurco01" },
  { signal: "program_comment", keys: ["program_cmt", "program_comment", "p1programcomment"], source: "§7, Mazak01" },
  { signal: "subprogram", keys: ["subprog", "activeprog", "pactiveprogram"], source: "§7, Mazak01" },
  { signal: "part_count", keys: ["part_count", "partcount", "partcountact", "ppartcount", "p1partcount"], source: "§7, Hurco01, Mazak01, Okuma" },
  { signal: "tool", keys: ["tool_id", "toolid", "tool_number", "tid", "p1currenttool", "current_tool"], source: "§7, adapter-simple-scenario, Mazak01, Okuma, Hurco01" },
  { signal: "spindle_speed", keys: ["spindle_speed", "srpm", "s1speed"], source: "§7, Hurco01, Mazak01, Okuma" },
  { signal: "spindle_load", keys: ["spindle_load", "sload", "s1load"], source: "§7, Mazak01, Okuma" },
  { signal: "feed_override", keys: ["fovr", "feed_override", "pfovr"], source: "§7, Mazak01, Hurco01" },
  { signal: "rapid_override", keys: ["frapidovr", "rapid_override", "rovr"], source: "§7, Mazak01, Hurco01" },
  { signal: "spindle_override", keys: ["sovr", "spindle_override"], source: "§7, Mazak01, Hurco01" },
  { signal: "message", keys: ["message", "msg", "operator_message"], source: "§7" },
];
