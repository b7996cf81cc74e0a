/**
 * Cycles (design.md §4). One opens when the machine begins executing in automatic, and is published once: when the counter
 * has given all its parts, or counter_join after its end with the counter steps that have come by then.
 *
 *   none ──ACTIVE──► open ──ready, completed, stopped, fault, e-stop, mode, program, power, lost──► ended ──window──► record
 *                     │ ▲                                                                            ▲
 *                     │ └─ held, waiting, stopped by the program: the time is held                   │
 *                     └─ counter step, and ACTIVE lasts longer than counter_join: ends at the step ──┘ and the next opens
 *
 * A polled source shows an end and its step up to a look apart: there counter_join is longer by the time between two looks.
 * What touches a gap ends at its start with outcome `unknown`: an equal ACTIVE after it need not be the same cycle.
 */
import type { Observation } from "../contract/observation.ts";
import type { MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import { endWith, NO_SUMS, type CycleDraft, type CycleState, type EndedBy, type EndedCycle, type OpenCycle } from "./cycle-parts.ts";
import { publishCycle } from "./cycle-record.ts";
import { passWindow, routeStep, takeCloser } from "./cycle-steps.ts";
import { accompany, accountUntil, initialCompanions, spindleKnown, withAlarms } from "./cycle-sums.ts";
import type { Moment } from "./moment.ts";
import { programRule } from "./parts.ts";
import { opener } from "./picture.ts";
import { originOf, recordId } from "./record-id.ts";
import { mainPath, type SignalsState } from "./signals.ts";
import { slackOf, timingOf } from "./timing.ts";

export type { CycleState } from "./cycle-parts.ts";
export const initialCycle: CycleState = {
  open: null, ended: [], history: { last: null, counterFrom: null, completes: false }, lastEnd: null, lastRun: null, companions: initialCompanions,
};
/** Cycles so short that more of them end within one window are published before it is over, oldest first. */
const ENDED_LIMIT = 16;

const windowEnd = (rules: MachineRules, open: OpenCycle | null): UnixMs | null => {
  const first = open?.pending?.steps[0];
  return first ? unixMs(first.at + rules.cycle.counterJoinMs + slackOf(first.timing) + 1) : null;
};

export function cycleWakeAt(rules: MachineRules, { ended, open }: CycleState): UnixMs | null {
  const due = ended[0]?.due ?? null;
  const window = windowEnd(rules, open);
  return due === null || (window !== null && window < due) ? window : due;
}
export function cycleHeldBack({ ended, open }: CycleState): UnixMs | null {
  let oldest = open?.pending?.steps[0]?.at ?? null;
  for (const { end, steps } of ended) {
    if (oldest === null || end < oldest) oldest = end;
    for (const step of steps) if (step.end < oldest) oldest = step.end;
  }
  return oldest;
}

export function stepCycle(rules: MachineRules, state: CycleState, moment: Moment): CycleState {
  if (!concerns(rules, state, moment)) return state;
  const draft: CycleDraft = { ...state, rules, moment };
  const window = windowEnd(rules, draft.open);
  if (window !== null && moment.at >= window) passWindow(draft);
  if (draft.open) draft.open = withAlarms(draft.open, moment);
  takeCompanions(draft);
  transit(draft);
  for (const step of moment.steps) routeStep(draft, step);
  publishDue(draft);
  const { rules: _, moment: __, ...next } = draft;
  return next;
}

const accompanies = ({ signal }: Observation): boolean => signal === "spindle_speed" || signal === "tool";

function concerns(rules: MachineRules, state: CycleState, { at, event, before, after, steps, out }: Moment): boolean {
  if (before.picture !== after.picture || before.signals.paths !== after.signals.paths || steps.length > 0 || out.length > 0) return true;
  const due = cycleWakeAt(rules, state);
  if (due !== null && due <= at) return true;
  return event.kind === "observations" && event.items.some((item) => accompanies(item) || item.signal === "execution");
}

function takeCompanions(draft: CycleDraft): void {
  const { event, before } = draft.moment;
  if (event.kind !== "observations") return;
  for (const item of event.items) if (accompanies(item)) Object.assign(draft, accompany(draft.rules, draft, item, before.picture.activity));
}

function transit(draft: CycleDraft): void {
  const { rules, moment } = draft;
  const { at, before, after } = moment;
  const [was, is] = [before.picture.activity, after.picture.activity];
  const words = executionWords(moment);
  if (words.completed) draft.history = { ...draft.history, completes: true };
  if (draft.open && was !== is) draft.open = accountUntil(draft.open, at, was, draft.companions);
  const endedBy = draft.open && endOf(draft.open, moment, rules, words);
  if (endedBy) close(draft, endedBy, words.completed);
  else if (words.completed && !draft.open) completeLast(draft);
  if (is === "run" && !draft.open) begin(draft, words.lastActive);
  else if (draft.open && before.signals.paths !== after.signals.paths) draft.open = withProgram(draft.open, rules, moment);
  if (draft.open?.pending?.boundary && is !== "run" && is !== "wait") draft.open = { ...draft.open, pending: { ...draft.open.pending, boundary: false } };
  if (was === "run" && is !== "run") draft.lastRun = at;
  if (is === "unknown") [draft.lastEnd, draft.lastRun] = [null, null];
}

interface Words {
  readonly completed: boolean;
  /** An execution word that ends a cycle, followed by ACTIVE at the same instant. */
  readonly between: EndedBy | null;
  readonly lastActive: Observation | null;
}
const NO_WORDS: Words = { completed: false, between: null, lastActive: null };

/** What the control said of its execution at this instant, in order: the last word alone hides an end between two runs. */
function executionWords({ event, after }: Moment): Words {
  if (event.kind !== "observations") return NO_WORDS;
  let { completed, between, lastActive } = NO_WORDS;
  for (const item of event.items) {
    if (item.signal !== "execution") continue;
    if (item.value === "PROGRAM_COMPLETED") [completed, between] = [true, "program_completed"];
    else if (item.value === "READY") between ??= "ready";
    else if (item.value === "STOPPED") between ??= "stopped";
    else if (item.value === "ACTIVE" && between !== null) lastActive = item;
  }
  // On a control with several paths the end of one is not the end of the machine's cycle.
  const single = after.signals.paths.filter(({ executionLive }) => executionLive).length <= 1;
  return { completed, between: single && lastActive ? between : null, lastActive };
}

function endOf(open: OpenCycle, { after }: Moment, rules: MachineRules, words: Words): EndedBy | null {
  const main = mainPath(rules, after.signals);
  switch (after.picture.activity) {
    case "unknown":
      return "source_lost";
    case "off":
      return "power_off";
    case "estop":
      return words.completed ? "program_completed" : "emergency_stop";
    case "manual":
      return words.completed ? "program_completed" : "mode_changed";
    case "end":
      if (words.completed) return "program_completed";
      if (open.faults.length > 0) return "fault";
      return main?.execution === "STOPPED" ? "stopped" : "ready";
    case "run": case "wait": case "hold":
      if (words.between) return words.between;
      return main?.program && open.main !== null && main.program !== open.main ? "program_changed" : null;
  }
}

function close(draft: CycleDraft, endedBy: EndedBy, completed: boolean): void {
  const { rules, moment, companions, history } = draft;
  if (!draft.open) return;
  const was = moment.before.picture.activity;
  const open = accountUntil(draft.open, moment.at, was, companions);
  draft.open = null;
  if (open.start === moment.at) return;
  const mayComplete = history.completes && (endedBy === "ready" || endedBy === "stopped");
  const wait = moment.counterLive || mayComplete ? rules.cycle.counterJoinMs + slackAt(moment) + 1 : 0;
  const steps = [...takeCloser(draft, open.start, moment.at), ...(open.pending?.steps ?? [])];
  endWith(draft, { cycle: { ...open, pending: null }, end: moment.at, endedBy, fromHold: was === "hold", completed, steps, due: unixMs(moment.at + wait) });
}

/** PROGRAM_COMPLETED shortly after the end: some controls show READY first (mtconnect.md §7). */
function completeLast(draft: CycleDraft): void {
  const last = draft.ended.at(-1);
  if (!last || draft.moment.at - last.end > draft.rules.cycle.counterJoinMs + slackAt(draft.moment)) return;
  if (last.endedBy === "ready" || last.endedBy === "stopped") draft.ended = draft.ended.with(draft.ended.length - 1, { ...last, completed: true });
}

/** How long before the event its values may have become so: what a polled source shows with one look may lie a period apart. */
function slackAt({ event }: Moment): number {
  if (event.kind !== "observations") return 0;
  return event.items.reduce((most, item) => Math.max(most, slackOf(timingOf(item))), 0);
}

function begin(draft: CycleDraft, lastActive: Observation | null): void {
  const { rules, moment, lastEnd, companions } = draft;
  const { at, before, after } = moment;
  const main = mainPath(rules, after.signals);
  const ran = before.picture.activity === "run";
  const changed = ran && moment.event.kind === "observations" ? moment.event.items.findLast(({ signal }) => signal === "program") : undefined;
  const by = lastActive ?? changed ?? opener(rules, before, moment.event, ({ activity }) => activity === "run");
  const startObserved = before.picture.within !== "unknown" && by?.initial !== true;
  const idleSince = ran ? at : draft.lastRun;
  const loads = startObserved && lastEnd !== null && (idleSince === null || at - idleSince <= rules.downtime.thresholdMs);
  const id = recordId(rules, "cycle", [originOf(by, at)]);
  draft.open = {
    id, start: at, timing: timingOf(by), startObserved, main: main?.program ?? null, active: main?.subprogram ?? null, comment: main?.comment ?? null,
    paths: running(after.signals, []), gapBeforeMs: loads ? at - lastEnd : null, sums: NO_SUMS, since: at, spindleSince: at, spindleKnown: spindleKnown(companions), toolsKnown: companions.tool !== null,
    alarmIds: [], faults: [], pending: null, counted: null,
  };
  moment.out.push({ kind: "cycle-opened", at, recordId: id });
}

const running = ({ paths }: SignalsState, before: readonly number[]): readonly number[] => {
  const more = paths.filter(({ path, execution }) => execution === "ACTIVE" && !before.includes(path)).map(({ path }) => path);
  return more.length === 0 ? before : [...before, ...more].sort((one, other) => one - other);
};

/**
 * A program that is told only after the start names the cycle; a change of it would have ended the cycle. Sub-program
 * and comment come as an event of their own even where the source gave them with the start.
 */
function withProgram(open: OpenCycle, rules: MachineRules, { at, after: { signals } }: Moment): OpenCycle {
  const main = mainPath(rules, signals);
  const said = at === open.start ? main : undefined;
  return {
    ...open, main: open.main ?? main?.program ?? null, active: said?.subprogram ?? open.active,
    comment: said?.comment ?? open.comment ?? main?.comment ?? null, paths: running(signals, open.paths),
  };
}

function publishDue(draft: CycleDraft): void {
  for (let first = draft.ended[0]; first && (first.due <= draft.moment.at || draft.ended.length > ENDED_LIMIT || hasItsParts(draft, first)); first = draft.ended[0]) {
    draft.history = publishCycle(draft.rules, draft.history, first, draft.moment.out);
    draft.ended = draft.ended.slice(1);
  }
}

/** The counter has given all that a cycle of its program makes, and no other cycle runs that could claim it: nothing is left to wait for. */
function hasItsParts({ rules, open }: CycleDraft, { cycle, steps }: EndedCycle): boolean {
  const { kind, partsPerCycle } = programRule(rules, cycle.main);
  return open === null && kind === "production" && steps.length > 0 && steps.reduce((sum, step) => sum + step.deltaOfCycle, 0) >= partsPerCycle;
}
