/**
 * Alarms as OPC UA tells them: conditions as events, only those that change after the connection; the ones active before
 * come between RefreshStart and RefreshEnd, when asked for (opcua.md §1.5). What is active together is one set.
 */
import type { ActiveAlarm, Reading } from "../../agent/contract/observation.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Raw } from "../shared/points.ts";
import type { Notice } from "./mailbox.ts";
import { sampleOf } from "./values.ts";

type Field = "condition" | "type" | "time" | "message" | "severity" | "retain" | "active" | "name" | "source" | "number";
/** One thing asked of each event. */
export interface Clause {
  readonly field: Field;
  /** The event type that has it. */
  readonly type: string;
  /** Browse names from there; none: the condition's own id. */
  readonly path: readonly string[];
}

/** Part 5 and Part 9: BaseEventType, ConditionType, AlarmConditionType. */
const [BASE, CONDITION, ALARM_CONDITION] = ["i=2041", "i=2782", "i=2915"] as const;
const CNC_NAMESPACE = "http://opcfoundation.org/UA/CNC";
/** CncAlarmType of OPC 40502. */
const CNC_ALARM = "i=1006";
const NUMBER = "AlarmIdentifier";

/**
 * What is asked, by this session's namespaces. Servers differ in which type they want a field to be asked of: the one that
 * has it, as the specification says, or the type of all events; the first that is answered counts. `strict`: the first only,
 * for servers that refuse the whole over one they do not know.
 */
export function eventClauses(namespaces: readonly string[], strict: boolean): readonly Clause[] {
  const index = namespaces.findIndex((uri) => uri.replace(/\/$/u, "") === CNC_NAMESPACE);
  const own: readonly Clause[] = [
    { field: "condition", type: CONDITION, path: [] }, { field: "type", type: BASE, path: ["EventType"] }, { field: "time", type: BASE, path: ["Time"] }, { field: "message", type: BASE, path: ["Message"] },
    { field: "severity", type: BASE, path: ["Severity"] }, { field: "source", type: BASE, path: ["SourceName"] }, { field: "retain", type: CONDITION, path: ["Retain"] },
    { field: "active", type: ALARM_CONDITION, path: ["ActiveState", "Id"] }, { field: "name", type: CONDITION, path: ["ConditionName"] },
    ...(index < 0 ? [] : [{ field: "number", type: `ns=${index};${CNC_ALARM}`, path: [`${index}:${NUMBER}`] } as const]),
  ];
  if (strict) return own;
  return [
    ...own, { field: "retain", type: BASE, path: ["Retain"] }, { field: "active", type: BASE, path: ["ActiveState", "Id"] }, { field: "name", type: BASE, path: ["ConditionName"] },
    ...(index < 0 ? [] : [{ field: "number", type: BASE, path: [`${index}:${NUMBER}`] } as const]), { field: "number", type: BASE, path: [NUMBER] },
  ];
}

/** Part 9 and Part 5: the events around a refresh, and those that ask for one (events were lost). */
const [REFRESH_START, REFRESH_END] = ["ns=0;i=2787", "ns=0;i=2788"] as const;
const REFRESH_REQUIRED: ReadonlySet<string> = new Set(["ns=0;i=2789", "ns=0;i=3035"]);
/** Info 1, warning 500, error 1000 (§1.5). */
const FAULT_FROM = 750;
const ACTIVE_LIMIT = 256;
const TEXT_LIMIT = 1_024;
/** An event's time may come of another clock than the values' (18 min were seen): so far from the message it is not used. */
const CREDIBLE_MS = 5_000;
/** Whose alarm it is, by its number (§1.5). */
const GROUPS: readonly (readonly [from: number, to: number, group: string])[] = [
  [0, 9_999, "GENERAL"], [10_000, 19_999, "CHANNEL"], [20_000, 29_999, "AXIS"], [60_000, 69_999, "CYCLE"], [100_000, 199_999, "HMI"], [200_000, 299_999, "DRIVE"], [400_000, 899_999, "PLC"],
];

/** What an event leaves to do. */
export interface Heard {
  readonly readings: readonly Reading[];
  /** The server lost events: it must be asked again. */
  readonly refresh: boolean;
}

/** The set of one session. */
export class AlarmSet {
  readonly #clauses: readonly Clause[];
  readonly #active = new Map<string, ActiveAlarm>();
  /** Conditions that a refresh in progress has told; null: none is in progress. */
  #told: Set<string> | null = null;
  /** No set was given yet: the first is a state, not an event. */
  #first = true;

  /** `clauses`: what was asked of each event, in this order. */
  constructor(clauses: readonly Clause[]) {
    this.#clauses = clauses;
  }

  hear({ events, now }: Pick<Notice, "events" | "now">): Heard {
    const readings: Reading[] = [];
    let refresh = false;
    for (const event of events) {
      const fields = fieldsOf(event, this.#clauses);
      const type = String(fields("type") ?? "");
      if (REFRESH_REQUIRED.has(type)) refresh = true;
      else if (type === REFRESH_START) this.#told = new Set();
      else if (type === REFRESH_END) readings.push(...this.#refreshed(now));
      else if (this.#take(fields) && this.#told === null && !this.#first) readings.push(this.#set(timeOfEvent(fields("time"), now), false));
    }
    return { readings, refresh };
  }

  /** The server brackets no refresh: what it has told by now is the set. */
  settle(now: UnixMs | null): readonly Reading[] {
    return this.#first ? this.#refreshed(now) : [];
  }

  /** True when the set is another now. */
  #take(fields: (field: Field) => Raw | null): boolean {
    const condition = String(fields("condition") ?? fields("name") ?? fields("message") ?? "");
    this.#told?.add(condition);
    const isActive = (fields("active") ?? fields("retain")) === true;
    if (!isActive) return this.#active.delete(condition);
    const alarm = alarmOf(fields);
    const before = this.#active.get(condition);
    if (before !== undefined && before.code === alarm.code && before.text === alarm.text && before.severity === alarm.severity) return false;
    if (before === undefined && this.#active.size >= ACTIVE_LIMIT) return false;
    this.#active.set(condition, alarm);
    return true;
  }

  /** What was active before and was not told again has ended unseen. */
  #refreshed(now: UnixMs | null): readonly Reading[] {
    const told = this.#told;
    this.#told = null;
    if (told !== null) for (const condition of this.#active.keys()) if (!told.has(condition)) this.#active.delete(condition);
    const initial = this.#first;
    this.#first = false;
    return [this.#set(now, initial)];
  }

  #set(at: UnixMs | null, initial: boolean): Reading {
    const byKey = new Map([...this.#active.values()].map((alarm) => [alarm.key, alarm]));
    return { kind: "reading", signal: "alarm", item: "events", ...(at !== null && { sourceTime: at }), ...(initial && { initial }), quality: "GOOD", value: [...byKey.values()] };
  }
}

function fieldsOf(event: Notice["events"][number], clauses: readonly Clause[]): (field: Field) => Raw | null {
  const answered = event.map((variant) => sampleOf({ value: variant, statusCode: { value: 0, name: "Good" } }, "source").raw);
  return (field) => answered.find((raw, index) => raw !== null && clauses[index]?.field === field) ?? null;
}

function alarmOf(fields: (field: Field) => Raw | null): ActiveAlarm {
  const text = String(fields("message") ?? "").slice(0, TEXT_LIMIT);
  const code = String(fields("number") ?? fields("name") ?? (text || "alarm")).slice(0, 64);
  const severity = Number(fields("severity") ?? 0) >= FAULT_FROM ? "FAULT" : "WARNING";
  const number = Number(code);
  return { key: code, code, severity, text, nativeType: GROUPS.find(([from, to]) => number >= from && number <= to)?.[2] ?? (String(fields("source") ?? "") || "ALARM") };
}

function timeOfEvent(time: Raw | null, now: UnixMs | null): UnixMs | null {
  const at = typeof time === "string" ? sampleTime(time) : null;
  return at !== null && (now === null || Math.abs(now - at) <= CREDIBLE_MS) ? at : now;
}
const sampleTime = (text: string): UnixMs | null => {
  const sample = sampleOf({ statusCode: { value: 0, name: "Good" }, sourceTimestamp: new Date(text) }, "source");
  return sample.at ?? null;
};
