/**
 * The records we publish: one definition gives the TypeScript types, the JSON Schemas and the AsyncAPI document.
 * Meaning, units and boundary rules: facts/records.md §1, §2, §7, narrowed by design.md §4.
 * All instants are RFC 3339 UTC with milliseconds, all intervals are [start, end), all durations integer ms.
 * Absent knowledge is `null`, never 0. `data` holds only what is independent of the run (design.md P1).
 */
import { flag, integer, list, mapOf, nullable, number, object, oneOf, text } from "./shapes.ts";
import { described, optional, type Of, type Shape } from "./shape.ts";
import type { UnixMs } from "./time.ts";

const instant = (description: string): Shape<string> => text({ description, format: "date-time", maxLength: 24 });
const ms = (description: string): Shape<number> => integer({ description: `${description}; milliseconds`, minimum: 0 });
const whole = (description: string): Shape<number> => integer({ description, minimum: 0 });
const recordId = (description: string): Shape<string> => text({ description, format: "uuid", maxLength: 36 });
const words = (description: string): Shape<string> => text({ description });

export const MACHINE_STATES = [
  "RUNNING", "HELD", "PROGRAM_STOP", "WAITING", "READY", "ALARM", "ESTOP", "MANUAL", "OFF", "UNKNOWN",
] as const;
export type MachineState = (typeof MACHINE_STATES)[number];
export const MODES = ["auto", "mdi", "manual", "edit", "unknown"] as const;
export type Mode = (typeof MODES)[number];
export const CYCLE_KINDS = ["production", "proveout", "warmup", "probe", "dryrun", "unknown"] as const;
export type CycleKind = (typeof CYCLE_KINDS)[number];
export const CYCLE_OUTCOMES = ["completed", "aborted", "interrupted", "unknown"] as const;
export type CycleOutcome = (typeof CYCLE_OUTCOMES)[number];
export const DOWNTIME_CATEGORIES = ["unplanned", "planned", "setup", "micro", "no_schedule", "unclassified"] as const;
export type DowntimeCategory = (typeof DOWNTIME_CATEGORIES)[number];
export const RECORD_TYPES = ["state", "cycle", "count", "downtime", "alarm", "connection", "summary", "loss", "receipt"] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

const timing = object({
  kind: oneOf(["event", "polled", "inferred", "estimated"], "event: the source stamped it; polled: within one poll; inferred: concluded across a gap; estimated: from a sensor"),
  uncertaintyMs: ms("how far start or end may be off"),
});

/** In every record's data, beside what its type adds. `end` and `durationMs` are null while it is open. */
const common = {
  status: oneOf(["open", "closed", "void"], "void: this record should not exist; its body stays for audit"),
  start: instant("start, inclusive"),
  end: nullable(instant("end, exclusive; null while open")),
  durationMs: nullable(ms("end minus start; null while open")),
  utcOffsetMin: integer({ description: "offset of the site's zone at start; minutes east of UTC" }),
  timing,
};

const counter = object({
  name: words("which counter: part_count, part_count_good"),
  epoch: whole("rises by one at each reset; from and to are comparable within one epoch only"),
  from: nullable(whole("value before; null when unknown")),
  to: whole("value after"),
});

export const RECORD_BODIES = {
  state: object({
    ...common,
    state: oneOf(MACHINE_STATES, "what the machine was doing; UNKNOWN is never idle"),
    mode: oneOf(MODES, "controller mode"),
    unknownMs: nullable(ms("durationMs when UNKNOWN, else 0; null while open")),
    prevState: nullable(oneOf(MACHINE_STATES, "the state before; null for the first")),
    raw: mapOf(words("value"), { description: "source values at entry, by signal", maxKeys: 32 }),
    triggers: list(words("signal"), { description: "signals that caused entry" }),
    flapCount: whole("flips shorter than the least duration, merged into this state; 0 where the source stamps its events"),
  }),
  cycle: object({
    ...common,
    program: object({
      main: nullable(words("main program")),
      active: nullable(words("program active at the start")),
      comment: nullable(words("comment of the main program")),
    }),
    paths: list(words("path"), { description: "control paths that ran" }),
    cycleKind: oneOf(CYCLE_KINDS, "only production makes parts"),
    outcome: oneOf(CYCLE_OUTCOMES, "how it ended"),
    endedBy: oneOf(["program_completed", "ready", "stopped", "counter_step", "program_changed", "fault", "emergency_stop", "mode_changed", "power_off", "source_lost"], "what ended it"),
    startObserved: flag("false when the machine was found running: start is then the first moment we saw"),
    cycleElapsedMs: ms("start to end; in cycle + held + unknown"),
    inCycleMs: ms("in RUNNING"),
    heldMs: ms("in HELD, PROGRAM_STOP, WAITING or stopped by a fault inside the cycle"),
    unknownMs: ms("not observed"),
    gapBeforeMs: nullable(ms("end of the cycle before to start of this one; null after a gap, a downtime or when unknown")),
    partsDelta: whole("parts credited to this cycle"),
    partsExpected: whole("parts its program should make when completed"),
    quantityOfRecord: flag("true when partsDelta is the machine's quantity; false when the counter's count records are"),
    counter: nullable(counter),
    spindle: nullable(object({
      onMs: nullable(ms("spindle turning above the least speed while in cycle")),
      cutMs: nullable(ms("removing material")),
      method: oneOf(["control_timer", "feed_and_load", "load_only", "spindle_on"], "evidence, best first"),
    })),
    toolChanges: nullable(whole("tool changes seen; null when the tool is not reported")),
    alarmIds: list(recordId("alarm"), { description: "alarms raised during the cycle", maxItems: 100 }),
    restartOf: nullable(recordId("the aborted cycle whose part this one finishes")),
  }),
  count: object({
    ...common,
    counter,
    counterKind: oneOf(["total", "resettable", "target", "sensor"], "what kind of counter"),
    delta: whole("parts; to minus from, or to after a reset with evidence of parts; 0 when rejected"),
    resetDetected: flag("the counter went back: a new epoch began"),
    rollover: flag("the counter wrapped at its end"),
    plausibility: oneOf(["ok", "suspect", "rejected"], "rejected never counts"),
    cycleIds: list(recordId("cycle"), { description: "cycles these parts belong to", maxItems: 100 }),
    quantityOfRecord: flag("true when this count is the machine's quantity"),
  }),
  downtime: object({
    ...common,
    category: oneOf(DOWNTIME_CATEGORIES, "micro: shorter than the micro-stop limit, no reason asked"),
    reasonCode: nullable(words("code of the site's reason list; null: unassigned")),
    reasonText: nullable(words("reason in words")),
    reasonSource: oneOf(["operator", "rule", "alarm", "calendar", "none"], "who says so"),
    reasonAt: nullable(instant("when the reason was given, event time")),
    firstAlarm: nullable(object({ alarmId: words("native number"), recordId: recordId("alarm record") })),
    state: oneOf(MACHINE_STATES, "state with which it began"),
    endedBy: nullable(oneOf(["running", "source_lost", "schedule_end", "waiting"], "null while open")),
    continues: nullable(recordId("the downtime before the gap or the unscheduled time that this one goes on from")),
    segments: list(object({
      shiftId: nullable(words("shift@business date; null outside shifts or without a calendar")),
      from: instant("inclusive"), to: instant("exclusive"), ms: ms("to minus from"),
      planned: flag("inside a planned break"),
    }), { description: "share of each shift; empty while open", maxItems: 1000 }),
  }),
  alarm: object({
    ...common,
    alarmId: words("native number; empty when the control gives none"),
    text: words("the control's own words"),
    severity: oneOf(["fault", "warning", "info"], "fault blocks, warning does not"),
    group: words("native group or MTConnect condition type"),
    path: nullable(words("control path")),
    blocking: flag("true for a fault"),
    raiseCount: whole("times it was raised within the rejoin window"),
    clearedBy: nullable(oneOf(["normal", "unavailable", "replaced"], "null while active")),
  }),
  connection: object({
    ...common,
    source: words("which source"),
    kind: oneOf(["gap", "config_changed"], "gap: a span in which we do not know"),
    reason: oneOf(["link-down", "unavailable", "source-restarted", "position-jump", "overflow", "agent-stopped", "not-reported", "late", "clock-step"], "why; clock-step: the clock that dates the readings was set forward over this span"),
    lastGoodAt: nullable(instant("last observation before")),
    recoverable: flag("true when the source keeps history that may still fill it"),
    missing: nullable(whole("readings missed, where the source numbers them")),
  }),
  summary: object({
    ...common,
    scope: object({ kind: oneOf(["machine"], "what it sums over"), id: words("machine") }),
    window: object({ kind: oneOf(["shift", "businessDate"], "kind"), shiftId: words("shift@business date, or the date") }),
    stateMs: mapOf(ms("time"), { description: "time per state; adds up to the window" }),
    categoryMs: mapOf(ms("time"), { description: "time per category: production, waiting, load_unload, unplanned, planned, micro, setup, unscheduled, unknown; adds up to the window" }),
    basisMs: object({ calendar: ms("the window"), scheduled: ms("the window less planned breaks"), poweredOn: ms("less OFF and UNKNOWN") }),
    counts: object({ cycles: whole("all that ended here"), completed: whole("completed"), aborted: whole("aborted"), interrupted: whole("interrupted"), unknown: whole("outcome unknown"), parts: whole("quantity of record") }),
    stops: object({ n: whole("downtimes that began here"), ms: ms("their time here"), microN: whole("of them micro"), microMs: ms("micro time here") }),
    kpis: mapOf(object({ num: number(), den: number(), value: nullable(number({ description: "null when den is 0" })) }), { description: "ratios with both terms" }),
    coverage: nullable(number({ description: "observed share of the window, 0 to 1", minimum: 0, maximum: 1 })),
    provisional: flag("true when coverage is under 0.95"),
    calendarVersion: words("which calendar drew the window"),
  }),
  loss: object({
    ...common,
    destination: nullable(words("whose records; null: every destination")),
    reason: oneOf(["buffer_corrupt", "buffer_full", "destination_limit", "refused", "oversize", "retention"], "why"),
    lostEpoch: words("epoch of the lost rows"),
    fromSeq: nullable(whole("first lost number; null when unknown")),
    toSeq: nullable(whole("last lost number; null when unknown")),
    count: nullable(whole("rows lost; null when unknown")),
    byType: mapOf(whole("rows"), { description: "rows lost per record type: within fromSeq to toSeq rows of other types are not meant" }),
  }),
  receipt: object({
    ...common,
    date: words("the day in the site's zone, YYYY-MM-DD"),
    samples: object({ read: whole("readings taken"), late: whole("of them too late to be applied") }),
    made: mapOf(whole("records"), { description: "records made that day, per type" }),
    ranges: list(object({ epoch: words("buffer file"), fromSeq: whole("first number of the day"), toSeq: whole("last number of the day") }), { description: "where the day's records lie, those of other machines among them", maxItems: 100 }),
    destinations: list(object({
      name: words("destination"),
      due: whole("delivered + waiting + dropped"),
      delivered: whole("acknowledged"),
      confirmed: nullable(whole("of them confirmed by the bridge; null where it does not confirm")),
      waiting: whole("not yet delivered"),
      dropped: mapOf(whole("records"), { description: "given up, per cause" }),
    }), { description: "per destination", maxItems: 8 }),
    gaps: object({ count: whole("gaps that touch the day"), ms: ms("their time in it") }),
  }),
} as const satisfies Record<RecordType, Shape<object>>;

/** The part of a record's data that differs from record to record. */
export type Body<K extends RecordType> = Of<(typeof RECORD_BODIES)[K]>;

/** What is the same in every record of a machine (or of the agent): stored once, joined on publishing. */
export const RECORD_CONTEXT = object({
  environment: oneOf(["production", "test"], "test records must never reach a live ERP"),
  equipment: object({
    enterprise: optional(words("ISA-95 enterprise")),
    site: optional(words("ISA-95 site")),
    area: optional(words("ISA-95 area")),
    cell: optional(words("ISA-95 work cell")),
    machine: nullable(words("our stable machine id; null for records of the agent itself")),
  }),
  erp: nullable(object({ workCenter: nullable(words("code in the ERP")) })),
  tz: words("IANA zone of the site"),
});
export type RecordContext = Of<typeof RECORD_CONTEXT>;

/** In front of every record's data. */
export const RECORD_HEAD = object({
  schema: described(words(""), "record type and major version: cycle/1"),
  recordId: recordId("derived from what the record describes (UUIDv5): the same fact always has the same id"),
  rev: integer({ description: "rises by one with each correction; the highest replaces the others", minimum: 1 }),
});

/** A record as the detectors conclude it. The id is derived, never random; `rev` rises with each change of the body. */
export type NewRecord<K extends RecordType = RecordType> = { readonly [T in K]: {
  readonly type: T;
  readonly id: string;
  readonly rev: number;
  /** Start of what it describes, for CloudEvents `time`. */
  readonly start: UnixMs;
  readonly body: Body<T>;
} }[K];
