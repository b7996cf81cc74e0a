/**
 * SINUMERIK variables → our signals, as a table (opcua.md §1.4). What one variable says alone stands here; execution comes
 * of several and is told by sinumerik-execution.ts. `%` stands for the channel's index, which the first one does without:
 * `/Channel/State/actParts`, `/Channel/State/actParts[u2, 1]` (§1.3).
 */
import type { Row } from "./translate.ts";

export const SINUMERIK_NAMESPACE = "SinumerikVarProvider";

interface Variable {
  readonly identifier: string;
  readonly pace: "state" | "measure";
  readonly optional: boolean;
}
export type SinumerikRow = Row & Variable;

const OPERATING_MODES = { 0: "MANUAL", 1: "MANUAL_DATA_INPUT", 2: "AUTOMATIC" } as const;

export const SINUMERIK_ROWS: readonly SinumerikRow[] = [
  { key: "opMode", signal: "controller_mode", identifier: "/Bag/State/opMode%", values: OPERATING_MODES, pace: "state", optional: false, source: "§1.4 mode: under Bag" },
  { key: "workPandProgName", signal: "program", identifier: "/Channel/ProgramInfo/workPandProgName%", pace: "state", optional: false, source: "§1.4 selected program: progName follows subprograms" },
  { key: "progName", signal: "subprogram", identifier: "/Channel/ProgramInfo/progName%", pace: "measure", optional: true, source: "§1.4 active program" },
  { key: "actParts", signal: "part_count", identifier: "/Channel/State/actParts%", pace: "state", optional: true, source: "§1.4 parts" },
  { key: "reqParts", signal: "part_count_target", identifier: "/Channel/State/reqParts%", pace: "measure", optional: true, source: "§1.4 parts" },
  { key: "actTNumber", signal: "tool", identifier: "/Channel/State/actTNumber%", pace: "measure", optional: true, source: "§1.4 tool" },
  { key: "feedRateIpoOvr", signal: "feed_override", identifier: "/Channel/State/feedRateIpoOvr%", pace: "measure", optional: true, source: "§1.4 override: the effective value" },
  { key: "rapFeedRateOvr", signal: "rapid_override", identifier: "/Channel/State/rapFeedRateOvr%", pace: "measure", optional: true, source: "§1.4 override" },
  { key: "speedOvr", signal: "spindle_override", identifier: "/Channel/Spindle/speedOvr%", pace: "measure", optional: true, source: "§1.4 spindle" },
  { key: "actSpeed", signal: "spindle_speed", identifier: "/Channel/Spindle/actSpeed%", pace: "measure", optional: true, source: "§1.4 spindle" },
  { key: "msg", signal: "message", identifier: "/Channel/ProgramInfo/msg%", pace: "measure", optional: true, source: "§1.4 part-program message" },
];

/** What execution is made of. `evidence` is read when a program stops: it changes with every block, and must not be followed. */
export const EXECUTION_VARIABLES: readonly (Variable & { readonly key: string; readonly evidence: boolean; readonly source: string })[] = [
  { key: "progStatus", identifier: "/Channel/State/progStatus%", pace: "state", optional: false, evidence: false, source: "§1.4 program status" },
  { key: "chanStatus", identifier: "/Channel/State/chanStatus%", pace: "state", optional: false, evidence: false, source: "§1.4 channel status" },
  { key: "actBlock", identifier: "/Channel/ProgramInfo/actBlock%", pace: "measure", optional: true, evidence: true, source: "§1.4 block text: never at 100 ms" },
];

/** A drive's load, where commissioning told which drive is the spindle's (§1.4: n counts drives, axes first on many builds). */
export const driveLoad = (drive: number): SinumerikRow => ({
  key: "driveLoad", signal: "spindle_load", identifier: drive === 1 ? "/Nck/Spindle/driveLoad" : `/Nck/Spindle/driveLoad[u1, ${drive}]`, pace: "measure", optional: true, source: "§1.4 drive load",
});
