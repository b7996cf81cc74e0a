/**
 * What the agent shows of itself and its machines → values of metrics. Nothing is invented: what is not known, or does
 * not fit the metric's datatype, is null with the quality bad.
 */
import type { Latest, Retained } from "../../../agent/contract/destination.ts";
import { isRecord } from "../../../agent/contract/shape.ts";
import type { DataSet, Datatype, MetricValue, Quality } from "./payload.ts";
import { ALARM_COLUMNS, CONCLUDED_METRICS, NODE_METRICS, RECORD_METRICS, SIGNAL_METRICS, type MetricRow, type RecordRow } from "./vocabulary.ts";

/** One value of one metric, at an instant of the machine's time axis. */
export interface Update extends MetricRow {
  readonly value: MetricValue;
  /** ms since 1970. */
  readonly at: number;
  readonly quality: Quality;
  /** Says nothing of a metric that is not known yet, and no datatype of one that is: a point's value is lost. */
  readonly isLoss?: true;
}

const LONGEST_TEXT = 4_096;
/** Of alarms at one time: more than a person reads. */
const MOST_ALARMS = 100;
const INT32 = 2 ** 31;

export function liveUpdates({ machine, name, payload }: Extract<Retained, { scope: "live" }>): readonly Update[] {
  const { value, values, at } = payload as { readonly value?: unknown; readonly values?: unknown; readonly at?: unknown };
  const stamp = instant(at);
  if (stamp === null) return [];
  // A group of points: each is a metric of its own, of the group's instant.
  if (isRecord(values)) return Object.entries(values).flatMap(([member, one]) => liveUpdates({ scope: "live", machine, name: `${name}/${member}`, payload: { value: one, at } }));
  switch (name) {
    case "alarms": return alarmUpdates(value, stamp);
    // That nothing is known is known: the word stands, and its quality says what it is worth.
    case "state": return [{ ...CONCLUDED_METRICS.state, value: fit("String", value), at: stamp, quality: value === "UNKNOWN" || value === null ? "bad" : "good" }];
    case "downtime": return [{ ...CONCLUDED_METRICS.downtime, value: fit("String", value), at: stamp, quality: "good" }];
    default: {
      const metric = metricOf(name, value);
      if (metric !== null) return [measured(metric, value, stamp)];
      return value === null ? [{ metric: pointMetric(name), datatype: "String", value: null, at: stamp, quality: "bad", isLoss: true }] : [];
    }
  }
}

export function recordUpdates({ record }: Latest): readonly Update[] {
  if (record.type === "loss") return [];
  const at = instant(record.body.end) ?? record.start;
  return RECORD_METRICS[record.type].map((metric) => told(metric, record.body, at));
}

/** `destination`: whose part of the buffer is ours. */
export function nodeUpdates(heartbeat: object, destination: string, at: number): readonly Update[] {
  const all = within(heartbeat, "buffer.destinations");
  const own = Array.isArray(all) ? all.filter(isRecord).find((one) => one["name"] === destination) : undefined;
  const whole = { ...heartbeat, own };
  return NODE_METRICS.map((metric) => measured(metric, within(whole, metric.from), at));
}

/** `execution/2` is of the second path. A value that is not in the vocabulary is a point of the site's own. */
function metricOf(name: string, value: unknown): MetricRow | null {
  const [signal = "", path] = name.split("/");
  const known = Object.hasOwn(SIGNAL_METRICS, signal) ? SIGNAL_METRICS[signal as keyof typeof SIGNAL_METRICS] : undefined;
  if (known && path === undefined) return known;
  if (known && /^\d{1,3}$/.test(path ?? "")) return { ...known, metric: `Path ${path}/${known.metric}` };
  const datatype = typeOf(value);
  return datatype === null ? null : { metric: pointMetric(name), datatype };
}

const pointMetric = (name: string): string => `Points/${name.replace(/^point\//, "").slice(0, 128)}`;

/** Null: a value whose first word is "unknown" has no datatype yet, and is shown when it has. */
function typeOf(value: unknown): Datatype | null {
  if (typeof value === "string") return "String";
  if (typeof value === "number") return "Double";
  return typeof value === "boolean" ? "Boolean" : null;
}

function alarmUpdates(value: unknown, at: number): readonly Update[] {
  const set = Array.isArray(value) ? value.filter(isRecord) : null;
  const quality: Quality = set === null ? "bad" : "good";
  const text = (alarm: Readonly<Record<string, unknown>>, key: string): string => textOf(alarm[key]) ?? "";
  const table: DataSet | null = set && {
    columns: ALARM_COLUMNS,
    rows: set.slice(0, MOST_ALARMS).map((alarm) => [text(alarm, "code"), text(alarm, "severity"), text(alarm, "text"), text(alarm, "nativeType")]),
  };
  return [
    { ...CONCLUDED_METRICS.alarms, value: table, at, quality },
    { ...CONCLUDED_METRICS.alarmCount, value: set && set.length, at, quality },
  ];
}

/** A null of the device: it does not know. */
function measured({ metric, datatype, unit }: MetricRow, value: unknown, at: number): Update {
  const fitting = fit(datatype, value);
  return { metric, datatype, ...(unit !== undefined && { unit }), value: fitting, at, quality: fitting === null ? "bad" : "good" };
}

/** A null of a record is what the record says: no end while it is open, no reason while none is given. */
function told({ from, metric, datatype, unit }: RecordRow, body: object, at: number): Update {
  const given = within(body, from);
  const value = fit(datatype, given);
  return { metric, datatype, ...(unit !== undefined && { unit }), value, at, quality: value === null && given !== null && given !== undefined ? "bad" : "good" };
}

/** The value as its datatype has it; null when it does not fit. */
function fit(datatype: Datatype, value: unknown): MetricValue {
  switch (datatype) {
    case "String": return textOf(value);
    case "Boolean": return typeof value === "boolean" ? value : null;
    case "Double": return typeof value === "number" && Number.isFinite(value) ? value : null;
    case "Int64": return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
    case "Int32": return typeof value === "number" && Number.isInteger(value) && value >= -INT32 && value < INT32 ? value : null;
    case "DateTime": return instant(value);
    case "DataSet": return null;
  }
}

const textOf = (value: unknown): string | null =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value).slice(0, LONGEST_TEXT) : null;

function instant(value: unknown): number | null {
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isSafeInteger(at) && at >= 0 ? at : null;
}

function within(value: unknown, path: string): unknown {
  let found = value;
  for (const key of path.split(".")) found = isRecord(found) && Object.hasOwn(found, key) ? found[key] : undefined;
  return found;
}
