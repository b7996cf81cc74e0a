/**
 * What a path's items hold → readings in our vocabulary and units (design.md §2). All of them, each time: what did not
 * change is left out later. What could not be read is UNAVAILABLE.
 */
import type { ActiveAlarm, Execution, Reading, Value } from "../../agent/contract/observation.ts";
import { pointReading, UNAVAILABLE, type Valued } from "../shared/points.ts";
import type { FocasConfig } from "./config.ts";
import type { Item } from "./item.ts";
import type { PathItems } from "./items.ts";
import { placeOf } from "./point-ways.ts";
import { emergencyOf, modeOf, programOf } from "./signals.ts";
import { decodeText, type CodePage } from "./text.ts";

/** What is not in the items: it was put together from several, or read on a change. */
export interface Concluded {
  /** In order; empty: not known. */
  readonly words: readonly Execution[];
  readonly alarms: readonly ActiveAlarm[] | null;
  /** A change of them may be so old: the list is not read with each poll. */
  readonly alarmsSinceMs: number;
  readonly comment: string | null;
  /** ms. It is read at each poll, as evidence, and told now and then. */
  readonly cycleTime: number | null;
  readonly page: CodePage;
  /** Of a control with several paths. */
  readonly path?: number;
}

const good = (value: Value | null): Valued => (value === null ? UNAVAILABLE : { quality: "GOOD", value });
const unsure = (value: Value | null): Valued => (value === null ? UNAVAILABLE : { quality: "UNCERTAIN", value });
const SECONDS_A_MINUTE = 60;
const MM_AN_INCH = 25.4;

export function readingsOf(items: PathItems, concluded: Concluded, config: FocasConfig): readonly Reading[] {
  const own = { ...(concluded.path !== undefined && { path: concluded.path }) };
  const reading = (signal: string, valued: Valued): Reading => ({ kind: "reading", signal, ...own, ...valued });
  const builtIn = [...deciding(items, concluded, reading), ...accompanying(items, concluded, config, reading)];
  const replaced = new Set(items.points.map(({ point }) => point.signal).filter((signal) => signal !== "alarm"));
  return [
    ...builtIn.filter(({ signal }) => !replaced.has(signal)),
    ...items.points.map(({ point, item }) => ({ ...pointReading(point, itemOf(placeOf(point), concluded.path), item.value), ...own })),
  ];
}

/** A set of alarms is that of its item: two paths must not share one. */
const itemOf = (name: string, path: number | undefined): string => (path === undefined ? name : `${name}, path ${path}`);

type Make = (signal: string, valued: Valued) => Reading;

/** Alarm and program stand before the execution that they explain, the count after it. */
function deciding(items: PathItems, { words, alarms, alarmsSinceMs, comment, path }: Concluded, reading: Make): readonly Reading[] {
  const status = items.status.value;
  const programs = items.programs.value;
  const main = programs === null ? null : programs.main > 0 ? programOf(programs.main) : nameOf(items.mainName);
  const running = programs === null ? null : programs.running > 0 ? programOf(programs.running) : nameOf(items.runningName);
  return [
    { ...reading("alarm", good(alarms)), item: itemOf("alarms", path), uncertaintyMs: alarmsSinceMs },
    reading("emergency_stop", good(status && emergencyOf(status.emergency))),
    reading("controller_mode", good(status && modeOf(status.mode))),
    reading("program", good(main)), reading("subprogram", good(running)), reading("program_comment", good(comment)),
    ...(words.length === 0 ? [reading("execution", UNAVAILABLE)] : words.map((word) => reading("execution", good(word)))),
    reading("part_count", good(whole(items.parts.value))),
  ];
}

function accompanying(items: PathItems, { page, cycleTime }: Concluded, config: FocasConfig, reading: Make): readonly Reading[] {
  const point = (name: string, value: number | null, valued = good): Reading => reading(`point/${name}`, valued(value));
  const feed = items.feed.value === null ? null : (items.feed.value * (config.length_unit === "inch" ? MM_AN_INCH : 1)) / SECONDS_A_MINUTE;
  const tool = items.commanded.value?.tool ?? null;
  const sequence = items.sequence.value;
  return [
    reading("part_count_target", good(whole(items.target.value))),
    point("parts_total", whole(items.total.value)),
    reading("block", good(sequence === null ? null : `N${sequence}`)),
    reading("tool", good(tool === null ? null : String(tool))),
    reading("spindle_speed", good(items.spindleSpeed.value)), reading("spindle_load", good(items.spindleLoad.value)),
    reading("feedrate", (config.length_unit === undefined ? unsure : good)(feed)),
    ...(items.feedOverride === null ? [] : [reading("feed_override", good(feedOverrideOf(items.feedOverride.value)))]),
    ...(items.spindleOverride === null ? [] : [reading("spindle_override", good(items.spindleOverride.value))]),
    ...(items.rapidOverride === null ? [] : [reading("rapid_override", unsure(items.rapidOverride.value === null ? null : rapidOverrideOf(items.rapidOverride.value)))]),
    reading("message", good(messageOf(items, page))),
    ...[...items.timers.map(({ name, item }) => ({ name, ms: item.value })), { name: "cycle_time", ms: cycleTime }].map(({ name, ms }) => point(name, ms === null ? null : ms / 1_000)),
    ...items.axisValues.flatMap(({ name, item }) => items.axes.map((axis, index) => point(`${name}_${wordOf(axis)}`, item.value?.[index] ?? null))),
  ];
}

/** Of parts: none are below zero. */
const whole = (value: number | null): number | null => (value !== null && Number.isSafeInteger(value) && value >= 0 ? value : null);
const wordOf = (axis: string): string => axis.replaceAll(/[^A-Za-z0-9_.-]/gu, "_");
/** Of a program without a number. Blank: the control says that there is none. */
const nameOf = ({ value, status, way }: Item<string>): string | null => value ?? (status === 0 && way !== null ? "" : null);

/** Inverted: all bits set is 0 % (focas.md §5.6). No bit set, 255 %, is no override: the signal lies elsewhere. */
export const feedOverrideOf = (byte: number | null): number | null => (byte === null || byte === 0 ? null : 255 - byte);
/** Two bits; the fourth is the builder's own slow speed, no percentage (general knowledge, not confirmed). */
const RAPID: readonly (number | null)[] = [100, 50, 25, null];
const rapidOverrideOf = (byte: number): number | null => RAPID[byte & 3] ?? null;

/** Null only when none of the kinds of messages was told. */
function messageOf({ messages }: PathItems, page: CodePage): string | null {
  if (messages.every(({ value }) => value === null)) return null;
  return messages.map(({ value }) => (value === null ? "" : decodeText(value, page))).filter((text) => text !== "").join("; ");
}
