/**
 * Where the time of a shift went. One record per shift (per local date without a calendar), published when the shift is
 * over and nothing held back can change it: cycles and parts have been told, and a stop across its end is known to be a
 * downtime or none, micro or not. A later change (the downtime's category) raises `rev`.
 * Cycles and parts belong to the shift that contains their end, downtimes to the one that contains their start, minutes
 * to each by overlap. Time outside shifts is in no summary: it has its `state` and `cycle` records.
 * Time before the first state is UNKNOWN. Of shifts in a row of which nothing was seen, the first 31 are published.
 */
import type { Detector, MachineEvent } from "../contract/detector.ts";
import type { CycleClosed, Finding, PartsCredited, StateChange } from "../contract/finding.ts";
import type { DowntimeCategory, MachineState } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import { nextBoundaryAfter, pauseAt, windowFrom, type Window } from "./calendar.ts";
import { debounceLagMs, hasLeftRunning } from "./downtime.ts";
import { summaryRecord } from "./summary-record.ts";
import { accrue, copyTally, countCycle, emptyTally, resolveShare, type Tally } from "./summary-tally.ts";

type Credit = Pick<CycleClosed, "kind" | "end" | "outcome"> | Pick<PartsCredited, "kind" | "at" | "delta">;
interface KnownDowntime {
  readonly start: UnixMs;
  readonly category: DowntimeCategory;
}

export interface SummaryState {
  machine: MachineState;
  /** Everything up to here has been accrued; null before the first state. */
  since: UnixMs | null;
  /** The window that contains `since`, or the next to come; null when the calendar holds no more. */
  current: Tally | null;
  /** Windows that have ended and may still change, oldest first. */
  ended: Tally[];
  /** Up to where `since`'s break, or absence of one, lasts. */
  edge: { to: UnixMs; paused: boolean } | null;
  /** Start of the stop going on in scheduled time. */
  stop: UnixMs | null;
  /** The downtime that the stop has become. */
  downtime: KnownDowntime | null;
  /** Windows in a row of which nothing was seen. */
  blindRun: number;
  /** Told ahead of the debounced states: of the window after the current one. */
  ahead: Credit[];
  due: UnixMs | null;
}

interface Draft {
  readonly rules: MachineRules;
  readonly state: SummaryState;
  /** Downtimes by start, as this step knows them. */
  readonly known: ReadonlyMap<number, KnownDowntime>;
  readonly changed: Set<Tally>;
}

/** Windows in a row without any observation that are published; what follows is skipped until something is seen. */
export const BLIND_LIMIT = 31;
/** Ended windows kept because a downtime still open reaches into them; the oldest become final first. */
const ENDED_LIMIT = 31;

const versionOf = (rules: MachineRules): string => rules.calendar?.version ?? "none";
const windowAt = (rules: MachineRules, at: UnixMs): Tally | null => {
  const window = windowFrom(rules, at);
  return window && emptyTally(window, versionOf(rules));
};
const contains = (window: Window, at: UnixMs): boolean => window.start <= at && at < window.end;

function endStop(draft: Draft): void {
  const { state, known } = draft;
  if (state.stop === null) return;
  const category = known.get(state.stop)?.category ?? null;
  for (const tally of [...state.ended, ...(state.current ? [state.current] : [])]) {
    if (tally.share?.stop !== state.stop) continue;
    if (tally.rev > 0 && tally.said !== category) draft.changed.add(tally);
    tally.said = category;
    resolveShare(tally, category);
  }
  state.stop = null;
  state.downtime = null;
}

function beginStop(draft: Draft, at: UnixMs): void {
  const { state, rules } = draft;
  if (state.stop === null && state.current && contains(state.current.window, at) && hasLeftRunning(rules, state.machine)) state.stop = at;
}

/** The current window is over at its end. */
function closeWindow(draft: Draft, tally: Tally): void {
  const { state, rules } = draft;
  const { start, end } = tally.window;
  state.blindRun = tally.stateMs.UNKNOWN === end - start ? state.blindRun + 1 : 0;
  if (state.blindRun <= BLIND_LIMIT) state.ended.push(tally);
  state.current = windowAt(rules, end);
  state.edge = null;
  if (state.current?.window.start !== end) endStop(draft);
  beginStop(draft, end);
  const ahead = state.ahead.splice(0);
  for (const one of ahead) credit(draft, one);
}

/** A calendar that was changed may bring another window; one that has begun is finished as it was drawn. */
function refresh({ state, rules }: Draft): void {
  const { since, current } = state;
  if (since === null || (current && (since >= current.window.start || current.calendarVersion === versionOf(rules)))) return;
  state.current = windowAt(rules, since);
  state.edge = null;
}

/** Accrues the time up to `to`; the machine has been in one state since `since`. */
function advance(draft: Draft, to: UnixMs): void {
  const { state, rules } = draft;
  while (state.since !== null && state.since < to) {
    const { since, current } = state;
    if (!current) {
      state.since = to;
      return;
    }
    const { start, end } = current.window;
    if (since < start) {
      state.since = unixMs(Math.min(to, start));
      if (state.since === start) beginStop(draft, start);
      continue;
    }
    if (since === start && to >= end && state.machine === "UNKNOWN" && state.blindRun >= BLIND_LIMIT) {
      // Nothing seen for so many windows: straight to the one that contains `to`, or comes next.
      state.current = windowAt(rules, to);
      state.edge = null;
      state.since = unixMs(state.current ? Math.min(state.current.window.start, to) : to);
      continue;
    }
    if (!state.edge || state.edge.to <= since) {
      const boundary = rules.calendar && nextBoundaryAfter(rules.calendar, since);
      state.edge = { to: boundary === null || boundary > end ? end : boundary, paused: rules.calendar !== null && pauseAt(rules.calendar, since) !== null };
    }
    const until = unixMs(Math.min(to, state.edge.to));
    accrue(current, rules, until - since, { machine: state.machine, paused: state.edge.paused, stop: state.stop });
    state.since = until;
    if (until === end) closeWindow(draft, current);
  }
}

function enter(draft: Draft, change: StateChange): void {
  const { state, rules } = draft;
  if (state.since === null) {
    state.current = windowAt(rules, change.at);
    state.since = unixMs(state.current ? Math.min(state.current.window.start, change.at) : change.at);
  }
  const at = unixMs(Math.max(change.at, state.since));
  advance(draft, at);
  if (!hasLeftRunning(rules, change.to)) endStop(draft);
  state.machine = change.to;
  beginStop(draft, at);
}

function credit(draft: Draft, one: Credit): void {
  const { state } = draft;
  const at = one.kind === "parts" ? one.at : one.end;
  if (state.current && at >= state.current.window.end) {
    state.ahead.push(one);
    return;
  }
  const tally = [...state.ended, ...(state.current ? [state.current] : [])].find((each) => contains(each.window, at));
  if (!tally) return;
  if (one.kind === "parts") tally.counts.parts += one.delta;
  else countCycle(tally, one.outcome);
  if (tally.rev > 0) draft.changed.add(tally);
}

/** When nothing held back can change the tally any more. */
function finalAt(rules: MachineRules, state: SummaryState, tally: Tally): UnixMs {
  const told = tally.window.end + Math.max(rules.cycle.counterJoinMs, rules.count.confirmAfterMs) + 1;
  if (!tally.share || state.stop === null) return unixMs(told);
  return unixMs(Math.max(told, state.stop + Math.max(rules.downtime.thresholdMs + 1, rules.downtime.microStopMs)));
}

function publish(draft: Draft, horizon: UnixMs): readonly Finding[] {
  const { state, rules, changed } = draft;
  const open = state.stop === null ? null : draft.known.get(state.stop)?.category ?? null;
  const out: Finding[] = [];
  for (const tally of state.ended) {
    const category = tally.share ? open : tally.said;
    const news = tally.rev === 0 ? finalAt(rules, state, tally) <= horizon : changed.has(tally) || tally.said !== category;
    if (!news) continue;
    const record = summaryRecord(rules, tally, category);
    tally.rev = record.rev;
    tally.said = category;
    out.push({ kind: "record", record });
  }
  // Kept: what is not yet published, what a downtime still open reaches into, and the last one, for late credits.
  const kept = state.ended.filter((tally, index) => tally.rev === 0 || tally.share !== null || index === state.ended.length - 1);
  state.ended = kept.slice(-ENDED_LIMIT);
  state.due = dueOf(rules, state);
  return out;
}

function dueOf(rules: MachineRules, state: SummaryState): UnixMs | null {
  const waiting = state.ended.filter((tally) => tally.rev === 0).map((tally) => finalAt(rules, state, tally));
  const blind = state.machine === "UNKNOWN" && state.blindRun >= BLIND_LIMIT && state.since !== null && state.current !== null && state.since <= state.current.window.start;
  if (state.current && !blind) waiting.push(finalAt(rules, { ...state, stop: null }, state.current));
  return waiting.length > 0 ? unixMs(Math.min(...waiting)) : null;
}

const draftOf = (rules: MachineRules, state: SummaryState, findings: readonly Finding[]): Draft => {
  const known = new Map<number, KnownDowntime>();
  if (state.downtime) known.set(state.downtime.start, state.downtime);
  for (const one of findings) {
    if (one.kind === "record" && one.record.type === "downtime") known.set(one.record.start, { start: one.record.start, category: one.record.body.category });
  }
  const copy: SummaryState = { ...state, current: state.current && copyTally(state.current), ended: state.ended.map(copyTally), ahead: [...state.ahead] };
  return { rules, state: copy, known, changed: new Set() };
};

const concerns = (one: Finding): boolean =>
  one.kind === "state-change" || one.kind === "cycle-closed" || one.kind === "parts" || (one.kind === "record" && one.record.type === "downtime");

export const summaryDetector: Detector<SummaryState> = {
  name: "summary",
  version: 1,
  initial: () => ({ machine: "UNKNOWN", since: null, current: null, ended: [], edge: null, stop: null, downtime: null, blindRun: 0, ahead: [], due: null }),
  step(rules: MachineRules, state: SummaryState, event: MachineEvent, findings: readonly Finding[]) {
    const horizon = unixMs(event.at - debounceLagMs(rules));
    if ((state.due === null || horizon < state.due) && !findings.some(concerns)) return [state, []];
    const draft = draftOf(rules, state, findings);
    refresh(draft);
    for (const one of findings) if (one.kind === "state-change") enter(draft, one);
    advance(draft, horizon);
    for (const one of findings) {
      if (one.kind === "cycle-closed") credit(draft, { kind: one.kind, end: one.end, outcome: one.outcome });
      else if (one.kind === "parts") credit(draft, { kind: one.kind, at: one.at, delta: one.delta });
    }
    draft.state.downtime = draft.state.stop === null ? null : draft.known.get(draft.state.stop) ?? null;
    return [draft.state, publish(draft, horizon)];
  },
  wakeAt: (rules, state) => state.due && unixMs(state.due + debounceLagMs(rules)),
  /** The end of the oldest window not yet published, the one going on included. */
  heldBack: (_rules, state) => state.ended.find((tally) => tally.rev === 0)?.window.end ?? state.current?.window.end ?? null,
};
