/**
 * Stops that matter. A downtime begins when the machine left RUNNING in scheduled time (or when scheduled time began)
 * and is published once that is longer ago than the threshold, when its reason or category changes, and when it ends:
 *
 *   clear ──left RUNNING──► counting ──longer than threshold──► open ──► clear
 *     └──outside shifts──► unscheduled ──shift begins──► counting   (open ──shift ends──► unscheduled)
 *
 * UNKNOWN is never downtime: a gap ends it where the gap begins, and what follows is a new one, linked by `continues`.
 * A stop cut short before the threshold leaves no record. Changes of state that a debounce reports late (`minimumMs`)
 * are waited for before time alone decides anything, so ticks never change what is said.
 */
import type { Detector, MachineEvent } from "../contract/detector.ts";
import { DECIDING_SIGNALS } from "../contract/observation.ts";
import type { Finding, LiveValue, StateChange } from "../contract/finding.ts";
import type { MachineState, NewRecord } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import { nextShiftStartAfter, occurrenceAt, scheduledAt } from "./calendar.ts";
import { ALARM_LIMIT, reasonAfter, type StandingAlarm } from "./downtime-reason.ts";
import { downtimeRecord, excuseOf, type Ending, type Excuse, type Stop } from "./downtime-record.ts";
import { originOf } from "./record-id.ts";
import { EVENT_TIMING, timingOf } from "./timing.ts";

const DECIDING: ReadonlySet<string> = new Set(DECIDING_SIGNALS);

type Phase =
  | { readonly phase: "clear" }
  | { readonly phase: "unscheduled" }
  | { readonly phase: "counting"; readonly stop: Stop }
  | { readonly phase: "open"; readonly stop: Stop; readonly excuse: Excuse | null; readonly record: NewRecord<"downtime"> };

export interface DowntimeState {
  readonly machine: MachineState;
  readonly alarms: readonly StandingAlarm[];
  /** What the next stop goes on from, unless the machine runs first. */
  readonly before: { readonly id: string; readonly carriedMs: number } | null;
  readonly at: Phase;
  /** Everything up to here has been decided. */
  readonly settled: UnixMs | null;
  /** When time alone decides something next. */
  readonly due: UnixMs | null;
  /** Calendar that `due` was read from. */
  readonly calendar: string | null;
}

interface Draft {
  readonly rules: MachineRules;
  readonly event: MachineEvent;
  state: DowntimeState;
  readonly out: Finding[];
}

/** How far behind its event a change of state may be dated: the debounce of sources that do not stamp their events. */
export const debounceLagMs = (rules: MachineRules): number => (rules.state.minimumMs > 0 ? rules.state.minimumMs + 1 : 0);

/** True for states that have left RUNNING: all but RUNNING, UNKNOWN and, unless it counts, WAITING. */
export const hasLeftRunning = (rules: MachineRules, state: MachineState): boolean =>
  state !== "RUNNING" && state !== "UNKNOWN" && (state !== "WAITING" || rules.downtime.waitingCounts);

const versionOf = (rules: MachineRules): string | null => rules.calendar?.version ?? null;

function dueOf(rules: MachineRules, state: DowntimeState): UnixMs | null {
  const { at, settled } = state;
  if (settled === null || at.phase === "clear") return null;
  if (at.phase === "unscheduled") return rules.calendar && nextShiftStartAfter(rules.calendar, settled);
  const shiftEnd = rules.calendar && occurrenceAt(rules.calendar, settled)?.end;
  const decision = at.phase === "counting" ? at.stop.start + rules.downtime.thresholdMs + 1 : at.excuse?.overrunAt;
  const instants = [shiftEnd, decision].filter((one) => typeof one === "number" && one > settled) as number[];
  return instants.length > 0 ? unixMs(Math.min(...instants)) : null;
}

function move(draft: Draft, at: UnixMs, change: Partial<DowntimeState>): void {
  const state = { ...draft.state, ...change, settled: at, calendar: versionOf(draft.rules) };
  draft.state = { ...state, due: dueOf(draft.rules, state) };
}

/** The record, and after it the live value: its `at` tells the detectors after this one when the record was concluded. */
function show(draft: Draft, record: NewRecord<"downtime">, at: UnixMs): void {
  const { status, reasonText, reasonCode, category } = record.body;
  const live: LiveValue = { kind: "live", name: "downtime", value: status === "open" ? reasonText ?? reasonCode ?? category : null, at };
  draft.out.push({ kind: "record", record }, live);
}

/** What names and dates a stop: how the shift's begin is known, or the observation that left RUNNING. */
type Beginning = Pick<Stop, "origin" | "timing">;
const byCalendar = (at: UnixMs): Beginning => ({ origin: originOf(undefined, at), timing: EVENT_TIMING });
/** A snapshot's observation may be the very one that began the stop before a gap, so it gives no position as a name. */
function byEvent(event: MachineEvent, at: UnixMs): Beginning {
  const items = event.kind === "observations" ? event.items : [];
  const cause = items.find((one) => one.at === at && DECIDING.has(one.signal));
  return { origin: originOf(cause?.initial === true ? undefined : cause, at), timing: timingOf(cause) };
}

function begin(draft: Draft, at: UnixMs, beginning: Beginning): void {
  const { rules, state: { machine, alarms, before } } = draft;
  if (!scheduledAt(rules.calendar, at)) return move(draft, at, { at: { phase: "unscheduled" } });
  const fault = alarms.find((alarm) => alarm.fault);
  const stop: Stop = {
    start: at,
    ...beginning,
    state: machine,
    continues: before?.id ?? null,
    carriedMs: before?.carriedMs ?? 0,
    reason: reasonAfter(null, rules.downtime.reasons, { state: machine, alarms, at }),
    firstAlarm: fault ? { alarmId: fault.code, recordId: fault.recordId } : null,
  };
  move(draft, at, { at: { phase: "counting", stop } });
}

function open(draft: Draft, stop: Stop, at: UnixMs): void {
  const excuse = excuseOf(draft.rules, stop.start);
  const record = downtimeRecord(draft.rules, stop, { rev: 1, at, excuse, endedBy: null });
  show(draft, record, at);
  move(draft, at, { at: { phase: "open", stop, excuse, record } });
}

/** Publishes again if what it says has changed since the last revision. */
function revise(draft: Draft, stop: Stop, at: UnixMs): void {
  const now = draft.state.at;
  if (now.phase !== "open") return;
  const record = downtimeRecord(draft.rules, stop, { rev: now.record.rev + 1, at, excuse: now.excuse, endedBy: null });
  const said = now.record.body;
  const { category, reasonCode, reasonText, reasonSource, firstAlarm } = record.body;
  const same = category === said.category && reasonCode === said.reasonCode && reasonText === said.reasonText
    && reasonSource === said.reasonSource && firstAlarm?.recordId === said.firstAlarm?.recordId;
  if (same) return move(draft, at, { at: { ...now, stop } });
  show(draft, record, at);
  move(draft, at, { at: { ...now, stop, record } });
}

function end(draft: Draft, at: UnixMs, endedBy: Ending): void {
  const now = draft.state.at;
  const next: Phase = endedBy === "schedule_end" ? { phase: "unscheduled" } : { phase: "clear" };
  if (now.phase !== "open") return move(draft, at, { at: next });
  const record = downtimeRecord(draft.rules, now.stop, { rev: now.record.rev + 1, at, excuse: now.excuse, endedBy });
  show(draft, record, at);
  const carriedMs = endedBy === "source_lost" ? now.stop.carriedMs + (at - now.stop.start) : 0;
  move(draft, at, { at: next, before: { id: record.id, carriedMs } });
}

/** Time alone reached `at`, which is due. */
function decide(draft: Draft, at: UnixMs): void {
  const { rules } = draft;
  const now = draft.state.at;
  if (now.phase === "clear") return move(draft, at, {});
  if (now.phase === "unscheduled") return begin(draft, at, byCalendar(at));
  if (now.phase === "open") revise(draft, now.stop, at);
  else if (at - now.stop.start > rules.downtime.thresholdMs) open(draft, now.stop, at);
  if (!scheduledAt(rules.calendar, at)) end(draft, at, "schedule_end");
  else move(draft, at, {});
}

function settle(draft: Draft, until: UnixMs): void {
  if (draft.state.calendar !== versionOf(draft.rules)) decide(draft, draft.state.settled ?? until);
  for (let due = draft.state.due; due !== null && due <= until; due = draft.state.due) decide(draft, due);
  if (draft.state.settled === null || until > draft.state.settled) draft.state = { ...draft.state, settled: until };
}

/** Something became true during the stop: a reason ranked higher, or the first alarm. */
function learn(draft: Draft, at: UnixMs, raised: StandingAlarm | null): void {
  const { rules, state: { at: now, machine, alarms, settled } } = draft;
  if (now.phase !== "counting" && now.phase !== "open") return;
  const reason = reasonAfter(now.stop.reason, rules.downtime.reasons, { state: machine, alarms, at });
  const firstAlarm = now.stop.firstAlarm ?? (raised && { alarmId: raised.code, recordId: raised.recordId });
  if (reason === now.stop.reason && firstAlarm === now.stop.firstAlarm) return;
  const stop = { ...now.stop, reason, firstAlarm };
  if (now.phase === "open") revise(draft, stop, at);
  else move(draft, at, { at: { phase: "counting", stop } });
  // An alarm is told at once, a debounced state later: what lies between is still to be decided.
  if (settled !== null && settled < at) move(draft, settled, {});
}

function enter(draft: Draft, change: StateChange): void {
  const at = unixMs(Math.max(change.at, draft.state.settled ?? change.at));
  settle(draft, at);
  const wasStopped = draft.state.at.phase !== "clear";
  const stopped = hasLeftRunning(draft.rules, change.to);
  draft.state = { ...draft.state, machine: change.to };
  if (stopped) return wasStopped ? learn(draft, at, null) : begin(draft, at, byEvent(draft.event, at));
  if (wasStopped) end(draft, at, change.to === "UNKNOWN" ? "source_lost" : change.to === "WAITING" ? "waiting" : "running");
  if (change.to !== "UNKNOWN") draft.state = { ...draft.state, before: null };
}

function raise(draft: Draft, finding: Extract<Finding, { kind: "alarm-raised" }>, horizon: UnixMs): void {
  const { code, text, severity } = finding.alarm;
  const alarm: StandingAlarm = { recordId: finding.recordId, code, text, fault: severity === "FAULT" };
  const others = draft.state.alarms.filter((one) => one.recordId !== alarm.recordId);
  if (others.length < ALARM_LIMIT) draft.state = { ...draft.state, alarms: [...others, alarm] };
  learn(draft, unixMs(Math.max(finding.at, draft.state.settled ?? horizon)), alarm);
}

function forget(draft: Draft, recordId: string): void {
  draft.state = { ...draft.state, alarms: draft.state.alarms.filter((alarm) => alarm.recordId !== recordId) };
}

export const downtimeDetector: Detector<DowntimeState> = {
  name: "downtime",
  version: 1,
  initial: (rules) => ({ machine: "UNKNOWN", alarms: [], before: null, at: { phase: "clear" }, settled: null, due: null, calendar: versionOf(rules) }),
  step(rules: MachineRules, state: DowntimeState, event: MachineEvent, findings: readonly Finding[]) {
    const horizon = unixMs(event.at - debounceLagMs(rules));
    const told = findings.some((one) => one.kind === "state-change" || one.kind === "alarm-raised" || one.kind === "alarm-cleared");
    if (!told && (state.due === null || horizon < state.due) && state.calendar === versionOf(rules)) return [state, []];
    const draft: Draft = { rules, event, state, out: [] };
    // Time first, so that a tick at this instant changes nothing; then what ended, what changed, what was raised.
    settle(draft, unixMs(findings.reduce<number>((first, one) => (one.kind === "state-change" ? Math.min(first, one.at) : first), horizon)));
    for (const one of findings) if (one.kind === "alarm-cleared") forget(draft, one.recordId);
    for (const one of findings) if (one.kind === "state-change") enter(draft, one);
    settle(draft, horizon);
    findings.forEach((one, index) => {
      if (one.kind !== "alarm-raised") return;
      raise(draft, one, horizon);
      if (findings.some((later, place) => place > index && later.kind === "alarm-cleared" && later.recordId === one.recordId)) forget(draft, one.recordId);
    });
    return [draft.state, draft.out];
  },
  wakeAt: (rules, state) => state.due && unixMs(state.due + debounceLagMs(rules)),
  /** A stop still counting may yet give a record, which cannot end before the threshold has passed. */
  heldBack: (rules, state) => (state.at.phase === "counting" ? unixMs(state.at.stop.start + rules.downtime.thresholdMs + 1) : null),
};
