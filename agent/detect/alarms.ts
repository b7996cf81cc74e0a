/**
 * Active conditions as `alarm` records: one for each code, path and key while active.
 *
 *   raised ─► active ─► cleared ─┬─ raised again within rejoinMs: the same record, raiseCount + 1
 *               │                └─ else closed, at the moment it cleared
 *               └─ not known ─┬─ reported again: goes on
 *                             └─ absent from the next report: closed at the moment it was lost, as unavailable
 *
 * A burst is folded: however often it comes and goes, its record is published when it opens, when its severity changes
 * and when it has stayed away. The value of an alarm observation is the whole set of its item (mtconnect.md §7).
 */
import type { ActiveAlarm, Observation } from "../contract/observation.ts";
import type { MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import type { Moment } from "./moment.ts";
import { originOf, recordId } from "./record-id.ts";
import { spanOf, timingOf, type Timing } from "./timing.ts";

interface Condition {
  readonly item: string;
  readonly path: number | null;
  readonly alarm: ActiveAlarm;
  readonly id: string;
  readonly rev: number;
  readonly start: UnixMs;
  readonly timing: Timing;
  readonly raiseCount: number;
  /** `cleared`: it said so; `lost`: its item became unknown. */
  readonly phase: "active" | "cleared" | "lost";
  /** Since when it is in this phase. */
  readonly since: UnixMs;
}
export type AlarmsState = readonly Condition[];
export const initialAlarms: AlarmsState = [];

/** Conditions remembered at a time; a further one takes the place of the oldest, which is closed as replaced. */
const LIMIT = 64;
const TEXT_LIMIT = 256;

export function alarmsWakeAt(rules: MachineRules, state: AlarmsState): UnixMs | null {
  let due: UnixMs | null = null;
  for (const { phase, since } of state) if (phase === "cleared" && (due === null || since < due)) due = since;
  return due === null ? null : unixMs(due + rules.alarm.rejoinMs + 1);
}

export function stepAlarms(rules: MachineRules, state: AlarmsState, moment: Moment): AlarmsState {
  const { event, at } = moment;
  if (event.kind === "tick") {
    const due = alarmsWakeAt(rules, state);
    return due !== null && due <= at ? settle(rules, state, moment) : state;
  }
  if (event.kind === "gap") {
    if (!state.some(({ phase }) => phase === "active")) return state;
    moment.out.push({ kind: "live", name: "alarms", value: null, at });
    return lose(state, at, () => true);
  }
  let next = state;
  for (const item of event.items) if (item.signal === "alarm") next = report(rules, next, moment, item);
  // As they are when we begin to look (again), they are told though none of them changed: what was shown may have been taken back.
  if (next !== state || event.items.some(({ signal, initial }) => signal === "alarm" && initial === true)) moment.out.push({ kind: "live", name: "alarms", value: next.filter(({ phase }) => phase === "active").map(({ alarm }) => alarm), at });
  return next;
}

function settle(rules: MachineRules, state: AlarmsState, moment: Moment): AlarmsState {
  return state.filter((one) => {
    const over = one.phase === "cleared" && moment.at > one.since + rules.alarm.rejoinMs;
    if (over) push(rules, { ...one, rev: one.rev + 1 }, { end: one.since, clearedBy: "normal" }, moment);
    return !over;
  });
}

const lose = (state: AlarmsState, at: UnixMs, of: (one: Condition) => boolean): AlarmsState =>
  state.map((one) => (one.phase === "active" && of(one) ? { ...one, phase: "lost", since: at } : one));

function report(rules: MachineRules, state: AlarmsState, moment: Moment, observation: Observation): AlarmsState {
  const item = observation.item ?? "";
  if (typeof observation.value !== "object" || observation.value === null) return state.some((one) => one.item === item && one.phase === "active") ? lose(state, moment.at, (one) => one.item === item) : state;
  const reported = observation.value;
  const next: Condition[] = [];
  let changed = false;
  for (const one of state) {
    const still = one.item === item ? reported.find((alarm) => alarm.key === one.alarm.key && alarm.code === one.alarm.code) : undefined;
    const after = one.item !== item ? one : still ? stays(rules, one, still, moment) : goes(rules, one, moment);
    changed ||= after !== one;
    if (after) next.push(after);
  }
  for (const alarm of reported) {
    if (next.some((one) => one.item === item && one.alarm.key === alarm.key && one.alarm.code === alarm.code)) continue;
    const oldest = next.length >= LIMIT ? next.shift() : undefined;
    if (oldest) close(rules, oldest, { end: oldest.phase === "active" ? moment.at : oldest.since, clearedBy: "replaced" }, moment);
    next.push(raise(rules, alarm, moment, observation));
    changed = true;
  }
  return changed ? next : state;
}

function raise(rules: MachineRules, reported: ActiveAlarm, moment: Moment, observation: Observation): Condition {
  const { at } = moment;
  const alarm = { ...reported, text: reported.text.slice(0, TEXT_LIMIT) };
  const path = observation.path ?? null;
  const id = recordId(rules, "alarm", [alarm.code, path, alarm.key, originOf(observation, at)]);
  const one: Condition = { item: observation.item ?? "", path, alarm, id, rev: 1, start: at, timing: timingOf(observation), raiseCount: 1, phase: "active", since: at };
  push(rules, one, null, moment);
  moment.out.push({ kind: "alarm-raised", at, recordId: id, alarm });
  return one;
}

function stays(rules: MachineRules, one: Condition, reported: ActiveAlarm, moment: Moment): Condition {
  const alarm = { ...reported, text: reported.text.slice(0, TEXT_LIMIT) };
  const same = alarm.severity === one.alarm.severity && alarm.text === one.alarm.text && alarm.nativeType === one.alarm.nativeType;
  if (one.phase === "active" && same) return one;
  const severer = alarm.severity !== one.alarm.severity;
  const next: Condition = {
    ...one, alarm, phase: "active", since: moment.at,
    raiseCount: one.phase === "cleared" ? one.raiseCount + 1 : one.raiseCount,
    rev: severer ? one.rev + 1 : one.rev,
  };
  if (severer) push(rules, next, null, moment);
  if (severer || one.phase === "cleared") moment.out.push({ kind: "alarm-raised", at: moment.at, recordId: one.id, alarm });
  return next;
}

/** Absent from its item's report. Null: its record is closed. */
function goes(rules: MachineRules, one: Condition, moment: Moment): Condition | null {
  if (one.phase === "cleared") return one;
  if (one.phase === "lost") {
    close(rules, one, { end: one.since, clearedBy: "unavailable" }, moment);
    return null;
  }
  moment.out.push({ kind: "alarm-cleared", at: moment.at, recordId: one.id });
  return { ...one, phase: "cleared", since: moment.at };
}

type Closing = { readonly end: UnixMs; readonly clearedBy: "normal" | "unavailable" | "replaced" };

function close(rules: MachineRules, one: Condition, closing: Closing, moment: Moment): void {
  push(rules, { ...one, rev: one.rev + 1 }, closing, moment);
  if (one.phase !== "cleared") moment.out.push({ kind: "alarm-cleared", at: moment.at, recordId: one.id });
}

function push(rules: MachineRules, one: Condition, closing: Closing | null, { out }: Moment): void {
  const { alarm } = one;
  out.push({
    kind: "record",
    record: {
      type: "alarm", id: one.id, rev: one.rev, start: one.start,
      body: {
        ...spanOf(rules, one.start, closing && closing.end, one.timing),
        alarmId: alarm.code, text: alarm.text, severity: alarm.severity === "FAULT" ? "fault" : "warning", group: alarm.nativeType,
        path: one.path === null ? null : String(one.path), blocking: alarm.severity === "FAULT", raiseCount: one.raiseCount, clearedBy: closing && closing.clearedBy,
      },
    },
  });
}
