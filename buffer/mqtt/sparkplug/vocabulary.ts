/**
 * Metric names, datatypes and units of everything a machine reports: one table for the signals (design.md §2), one for
 * what is concluded from them, one for the records. A device is born with all of it, so that a host knows it beforehand.
 * Names are words with capitals, folders by `/`, as Sparkplug has them; none differs from another only in case.
 */
import type { Signal } from "../../../agent/contract/observation.ts";
import type { RecordType } from "../../../agent/contract/record.ts";
import type { DataSet, Datatype } from "./payload.ts";

export interface MetricRow {
  readonly metric: string;
  readonly datatype: Datatype;
  readonly unit?: string;
}
const row = (metric: string, datatype: Datatype = "String", unit?: string): MetricRow => ({ metric, datatype, ...(unit !== undefined && { unit }) });

/** By the name of the live value. Alarms of all items come together as `alarms`. */
export const SIGNAL_METRICS: Readonly<Record<Exclude<Signal, "alarm">, MetricRow>> = {
  availability: row("Availability"),
  execution: row("Execution"),
  controller_mode: row("Controller Mode"),
  functional_mode: row("Functional Mode"),
  emergency_stop: row("Emergency Stop"),
  power_state: row("Power State"),
  program: row("Program"),
  program_comment: row("Program Comment"),
  subprogram: row("Subprogram"),
  block: row("Block"),
  tool: row("Tool"),
  part_count: row("Part Count", "Int64"),
  part_count_good: row("Part Count Good", "Int64"),
  part_count_bad: row("Part Count Bad", "Int64"),
  part_count_target: row("Part Count Target", "Int64"),
  spindle_speed: row("Spindle Speed", "Double", "rev/min"),
  spindle_load: row("Spindle Load", "Double", "%"),
  feedrate: row("Feedrate", "Double", "mm/s"),
  feed_override: row("Feed Override", "Double", "%"),
  rapid_override: row("Rapid Override", "Double", "%"),
  spindle_override: row("Spindle Override", "Double", "%"),
  message: row("Message"),
  door: row("Door"),
};

/** What the detectors conclude at once. */
export const CONCLUDED_METRICS = {
  state: row("State"),
  /** Reason or category of the open downtime; null with good quality: none is open. */
  downtime: row("Open Downtime"),
  alarms: row("Alarms", "DataSet"),
  alarmCount: row("Alarm Count", "Int32"),
} as const;

export const ALARM_COLUMNS: DataSet["columns"] = ["Code", "Severity", "Text", "Type"];

/** `from`: where in the record's body the value lies. */
export interface RecordRow extends MetricRow {
  readonly from: string;
}
type Field = readonly [name: string, from: string, datatype?: Datatype, unit?: string];

const COMMON: readonly Field[] = [
  ["Status", "status"], ["Start", "start", "DateTime"], ["End", "end", "DateTime"], ["Duration", "durationMs", "Int64", "ms"],
];
const rows = (folder: string, ...fields: readonly Field[]): readonly RecordRow[] =>
  [...COMMON, ...fields].map(([name, from, datatype, unit]) => ({ ...row(`${folder}/${name}`, datatype, unit), from }));

/** The newest record of each type. `loss` is the agent's, not a machine's: the node's Buffer metrics count what was lost. */
export const RECORD_METRICS: Readonly<Record<Exclude<RecordType, "loss">, readonly RecordRow[]>> = {
  state: rows("Last State", ["State", "state"], ["Mode", "mode"], ["Previous State", "prevState"]),
  cycle: rows("Last Cycle",
    ["Program", "program.main"], ["Program Comment", "program.comment"], ["Kind", "cycleKind"], ["Outcome", "outcome"], ["Ended By", "endedBy"],
    ["Start Observed", "startObserved", "Boolean"], ["Elapsed", "cycleElapsedMs", "Int64", "ms"], ["In Cycle", "inCycleMs", "Int64", "ms"],
    ["Held", "heldMs", "Int64", "ms"], ["Unknown", "unknownMs", "Int64", "ms"], ["Gap Before", "gapBeforeMs", "Int64", "ms"],
    ["Parts", "partsDelta", "Int64"], ["Parts Expected", "partsExpected", "Int64"], ["Quantity Of Record", "quantityOfRecord", "Boolean"],
    ["Tool Changes", "toolChanges", "Int64"]),
  count: rows("Last Count",
    ["Counter", "counter.name"], ["From", "counter.from", "Int64"], ["To", "counter.to", "Int64"], ["Delta", "delta", "Int64"],
    ["Reset Detected", "resetDetected", "Boolean"], ["Plausibility", "plausibility"], ["Quantity Of Record", "quantityOfRecord", "Boolean"]),
  downtime: rows("Last Downtime",
    ["Category", "category"], ["Reason Code", "reasonCode"], ["Reason", "reasonText"], ["Reason Source", "reasonSource"], ["State", "state"], ["Ended By", "endedBy"]),
  alarm: rows("Last Alarm",
    ["Code", "alarmId"], ["Text", "text"], ["Severity", "severity"], ["Type", "group"], ["Blocking", "blocking", "Boolean"], ["Raise Count", "raiseCount", "Int64"]),
  connection: rows("Last Gap", ["Kind", "kind"], ["Reason", "reason"], ["Missing", "missing", "Int64"]),
  summary: rows("Last Summary",
    ["Shift", "window.shiftId"], ["Cycles", "counts.cycles", "Int64"], ["Completed", "counts.completed", "Int64"], ["Aborted", "counts.aborted", "Int64"],
    ["Parts", "counts.parts", "Int64"], ["Stops", "stops.n", "Int64"], ["Stop Time", "stops.ms", "Int64", "ms"], ["Coverage", "coverage", "Double"],
    ["Scheduled", "basisMs.scheduled", "Int64", "ms"], ["Running", "stateMs.RUNNING", "Int64", "ms"], ["Provisional", "provisional", "Boolean"]),
  receipt: rows("Last Receipt",
    ["Date", "date"], ["Samples Read", "samples.read", "Int64"], ["Samples Late", "samples.late", "Int64"], ["Gaps", "gaps.count", "Int64"], ["Gap Time", "gaps.ms", "Int64", "ms"]),
};

/** Of the node: `from` is where in the retained heartbeat the value lies; `own.` is this destination's part of the buffer. */
export const NODE_METRICS: readonly RecordRow[] = [
  { ...row("Agent/Id"), from: "agent" },
  { ...row("Agent/Version"), from: "version" },
  { ...row("Agent/Started", "DateTime"), from: "startedAt" },
  { ...row("Buffer/State"), from: "buffer.condition.state" },
  { ...row("Buffer/Epoch"), from: "buffer.epoch" },
  { ...row("Buffer/Bytes", "Int64", "bytes"), from: "buffer.bytes" },
  { ...row("Buffer/Waiting", "Int64"), from: "own.waiting" },
  { ...row("Buffer/Acknowledged", "Int64"), from: "own.acknowledged" },
  { ...row("Buffer/Rejected", "Int64"), from: "own.rejected" },
  { ...row("Buffer/Lost", "Int64"), from: "own.lost" },
];

/** Everything a device is born with. */
export const DEVICE_METRICS: readonly MetricRow[] = [
  ...Object.values(CONCLUDED_METRICS), ...Object.values(SIGNAL_METRICS), ...Object.values(RECORD_METRICS).flat(),
];
