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
  /** Told, but of a time not yet reached: at the end of the current window, or ahead of debounced states. */
  ahead: Credit[];
  due: UnixMs | null;
}

type Fact = { readonly at: UnixMs } & ({ readonly change: StateChange } | { readonly downtime: KnownDowntime });
interface Draft {
  readonly rules: MachineRules;
  readonly state: SummaryState;
  /** Windows to be published again. */
  readonly changed: Set<Tally>;
  readonly out: Finding[];
}

/** Windows in a row without any observation that are published; what follows is skipped until something is seen. */
const BLIND_LIMIT = 31;
/** Ended windows kept because a downtime still open reaches into them; the oldest become final first. */
const ENDED_LIMIT = 31;

const versionOf = (rules: MachineRules): string => rules.calendar?.version ?? "none";
const windowAt = (rules: MachineRules, at: UnixMs): Tally | null => {
  const window = windowFrom(rules, at);
  return window && emptyTally(window, versionOf(rules));
};
const contains = (window: Window, at: UnixMs): boolean => window.start <= at && at < window.end;

/** Category of the stop going on; null while it is no downtime. */
const categoryNow = ({ stop, downtime }: SummaryState): DowntimeCategory | null => (stop !== null && downtime?.start === stop ? downtime.category : null);

function endStop({ state, changed }: Draft): void {
  if (state.stop === null) return;
  const category = categoryNow(state);
  for (const tally of [...state.ended, ...(state.current ? [state.current] : [])]) {
    if (tally.share?.stop !== state.stop) continue;
    if (tally.rev > 0 && tally.said !== category) changed.add(tally);
    tally.said = category;
    resolveShare(tally, category);
  }
  state.stop = null;
}

function beginStop(draft: Draft, at: UnixMs): void {
  const { state, rules } = draft;
  if (state.stop === null && state.current && contains(state.current.window, at) && hasLeftRunning(rules, state.machine)) state.stop = at;
}

/** Ends the current window once everything at its end is known: a downtime closed there has its category. */
function closeIfOver(draft: Draft): void {
  const { state, rules } = draft;
  const tally = state.current;
  if (!tally || state.since !== tally.window.end) return;
  const { start, end } = tally.window;
  state.blindRun = tally.stateMs.UNKNOWN === end - start ? state.blindRun + 1 : 0;
  if (state.blindRun <= BLIND_LIMIT) state.ended.push(tally);
  state.current = windowAt(rules, end);
  state.edge = null;
  if (state.current?.window.start !== end) endStop(draft);
  beginStop(draft, end);
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
    closeIfOver(draft);
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
  closeIfOver(draft);
  if (!hasLeftRunning(rules, change.to)) endStop(draft);
  state.machine = change.to;
  beginStop(draft, at);
}

/** Credits what was told of the windows reached so far; of a window long gone it is too late. */
function creditAll({ state, changed }: Draft): void {
  for (const one of state.ahead.splice(0)) {
    const at = one.kind === "parts" ? one.at : one.end;
    if (state.current && at >= state.current.window.end) {
      state.ahead.push(one);
      continue;
    }
    const tally = [...state.ended, ...(state.current ? [state.current] : [])].find((each) => contains(each.window, at));
    if (!tally) continue;
    if (one.kind === "parts") tally.counts.parts += one.delta;
    else countCycle(tally, one.outcome);
    if (tally.rev > 0) changed.add(tally);
  }
}

/** When nothing held back can change the tally any more; `stop`: the one that its share is of, if that goes on. */
function finalAt(rules: MachineRules, tally: Tally, stop: UnixMs | null): UnixMs {
  const told = tally.window.end + Math.max(rules.cycle.counterJoinMs, rules.count.confirmAfterMs) + 1;
  if (!tally.share || stop === null) return unixMs(told);
  // Longer than the threshold shows one millisecond past it, and is known to us from the next on.
  return unixMs(Math.max(told, stop + Math.max(rules.downtime.thresholdMs + 2, rules.downtime.microStopMs)));
}

/** Publishes what is final at `now`, and again what has changed since. */
function publish(draft: Draft, now: UnixMs): void {
  const { state, rules, changed, out } = draft;
  creditAll(draft);
  for (const tally of state.ended) {
    const category = tally.share ? categoryNow(state) : tally.said;
    const news = tally.rev === 0 ? finalAt(rules, tally, state.stop) <= now : changed.has(tally) || tally.said !== category;
    if (!news) continue;
    const record = summaryRecord(rules, tally, category);
    tally.rev = record.rev;
    tally.said = category;
    out.push({ kind: "record", record });
  }
  changed.clear();
  // Kept: what is not yet published, what a downtime still open reaches into, and the last one, for late credits.
  const kept = state.ended.filter((tally, index) => tally.rev === 0 || tally.share !== null || index === state.ended.length - 1);
  state.ended = kept.slice(-ENDED_LIMIT);
}

function dueOf(rules: MachineRules, state: SummaryState): UnixMs | null {
  const { current, ended, since } = state;
  const blind = state.machine === "UNKNOWN" && state.blindRun >= BLIND_LIMIT && since !== null && current !== null && since <= current.window.start;
  let due = current === null || blind ? null : finalAt(rules, current, null);
  for (const tally of ended) {
    if (tally.rev > 0) continue;
    const at = finalAt(rules, tally, state.stop);
    if (due === null || at < due) due = at;
  }
  return due;
}

/** Time alone, up to `until`: what is due is published before anything of that instant is told, with a tick or without. */
function settle(draft: Draft, until: UnixMs): void {
  for (let due = dueOf(draft.rules, draft.state); due !== null && due <= until; due = dueOf(draft.rules, draft.state)) {
    advance(draft, due);
    publish(draft, due);
  }
}

/** What the detectors before have concluded, in order of time; a downtime before the change of state that ends it. */
function factsOf(findings: readonly Finding[], event: MachineEvent): readonly Fact[] {
  const facts: Fact[] = [];
  findings.forEach((one, index) => {
    if (one.kind !== "record" || one.record.type !== "downtime") return;
    const live = findings[index + 1];
    const at = live?.kind === "live" && live.name === "downtime" ? live.at : event.at;
    facts.push({ at, downtime: { start: one.record.start, category: one.record.body.category } });
  });
  for (const one of findings) if (one.kind === "state-change") facts.push({ at: one.at, change: one });
  return facts.sort((a, b) => a.at - b.at);
}

function creditsOf(findings: readonly Finding[]): readonly Credit[] {
  return findings.flatMap((one): Credit[] => {
    if (one.kind === "cycle-closed") return [{ kind: one.kind, end: one.end, outcome: one.outcome }];
    return one.kind === "parts" ? [{ kind: one.kind, at: one.at, delta: one.delta }] : [];
  });
}

const concerns = (one: Finding): boolean =>
  one.kind === "state-change" || one.kind === "cycle-closed" || one.kind === "parts" || (one.kind === "record" && one.record.type === "downtime");

export const summaryDetector: Detector<SummaryState> = {
  name: "summary",
  version: 1,
  initial: () => ({ machine: "UNKNOWN", since: null, current: null, ended: [], edge: null, stop: null, downtime: null, blindRun: 0, ahead: [], due: null }),
  step(rules: MachineRules, state: SummaryState, event: MachineEvent, findings: readonly Finding[]) {
    const horizon = unixMs(event.at - debounceLagMs(rules));
    if ((state.due === null || horizon < state.due) && !findings.some(concerns)) return [state, []];
    const copy = { ...state, current: state.current && copyTally(state.current), ended: state.ended.map(copyTally), ahead: [...state.ahead, ...creditsOf(findings)] };
    const draft: Draft = { rules, state: copy, changed: new Set(), out: [] };
    refresh(draft);
    for (const fact of factsOf(findings, event)) {
      settle(draft, unixMs(Math.min(fact.at, horizon)));
      advance(draft, unixMs(Math.min(fact.at, horizon)));
      if ("change" in fact) enter(draft, fact.change);
      else copy.downtime = fact.downtime;
      publish(draft, unixMs(Math.min(fact.at, horizon)));
    }
    settle(draft, horizon);
    advance(draft, horizon);
    closeIfOver(draft);
    publish(draft, horizon);
    copy.due = dueOf(rules, copy);
    return [copy, draft.out];
  },
  wakeAt: (rules, state) => state.due && unixMs(state.due + debounceLagMs(rules)),
  /** The end of the oldest window not yet published, the one going on included. */
  heldBack: (_rules, state) => state.ended.find((tally) => tally.rev === 0)?.window.end ?? state.current?.window.end ?? null,
};
