/**
 * Which cycle a counter step belongs to (design.md §4; records.md §6 pitfalls 2, 6, 19, 23, 25):
 * to the nearest end of a cycle within counter_join; else, while ACTIVE lasts longer than counter_join after it, it is
 * itself an end; else to the cycle it fell into, which made those parts before its end; else to none.
 */
import { unixMs, type UnixMs } from "../contract/time.ts";
import type { CounterStep } from "./counter-step.ts";
import { endWith, minus, type CycleDraft, type EndedCycle, type OpenCycle, type PendingStep } from "./cycle-parts.ts";
import { addCount, isByCounter } from "./cycle-record.ts";
import { accountUntil } from "./cycle-sums.ts";
import { credit, programRule, recordLoose, recordStep } from "./parts.ts";
import { recordId } from "./record-id.ts";
import { slackOf } from "./timing.ts";

/** Steps waiting with one cycle; a counter does not move faster. What exceeds it is recorded without a cycle. */
const STEP_LIMIT = 32;

export function routeStep(draft: CycleDraft, step: CounterStep): void {
  const { rules, moment, open } = draft;
  const index = step.loose ? -1 : draft.ended.findLastIndex(({ end }) => end <= step.at && step.at - end <= rules.cycle.counterJoinMs + slackOf(step.timing));
  const before = draft.ended[index];
  const inside = open !== null && !step.loose && step.at > open.start;
  if (before && before.steps.length < (inside ? 1 : STEP_LIMIT)) draft.ended = draft.ended.with(index, { ...before, steps: [...before.steps, step] });
  else if (inside && (open.pending?.steps.length ?? 0) < STEP_LIMIT) draft.open = withStep(draft, open, step);
  else recordLoose(rules, step, { byCounter: isByCounter(rules, draft.history, step.at), blind: moment.after.picture.state === "UNKNOWN" }, moment.out);
}

function withStep({ moment, companions }: CycleDraft, open: OpenCycle, step: CounterStep): OpenCycle {
  if (open.pending) return { ...open, pending: { ...open.pending, steps: [...open.pending.steps, step] } };
  const { activity } = moment.after.picture;
  const now = accountUntil(open, moment.at, activity, companions);
  return { ...now, pending: { steps: [step], sums: now.sums, alarms: now.alarmIds.length, boundary: activity === "run" || activity === "wait" } };
}

/** Steps that the cycles before were given for want of a nearer end, and that lie nearer to `end`. */
export function takeCloser(draft: CycleDraft, start: UnixMs, end: UnixMs): readonly CounterStep[] {
  const taken: CounterStep[] = [];
  draft.ended = draft.ended.map((before) => {
    const closer = before.steps.filter(({ at }) => at >= start && at > before.end && end - at < at - before.end);
    taken.push(...closer);
    return closer.length === 0 ? before : { ...before, steps: before.steps.filter((step) => !closer.includes(step)) };
  });
  return taken;
}

/** counter_join has passed since the step inside the open cycle, and no end came. */
export function passWindow(draft: CycleDraft): void {
  const { open } = draft;
  if (!open?.pending) return;
  if (open.pending.boundary) split(draft, open, open.pending);
  else count(draft, open, open.pending);
}

function split(draft: CycleDraft, open: OpenCycle, pending: PendingStep): void {
  const [first] = pending.steps;
  if (!first) return;
  const { rules, moment } = draft;
  const id = recordId(rules, "cycle", [first.origin]);
  const cycle: OpenCycle = { ...open, sums: pending.sums, alarmIds: open.alarmIds.slice(0, pending.alarms), pending: null };
  const ended: EndedCycle = { cycle, end: first.at, endedBy: "counter_step", fromHold: false, completed: true, steps: pending.steps, due: moment.at };
  endWith(draft, ended);
  draft.open = {
    ...open, id, start: first.at, timing: first.timing, startObserved: true, gapBeforeMs: 0, sums: minus(open.sums, pending.sums),
    alarmIds: open.alarmIds.slice(pending.alarms), pending: null, counted: null,
  };
  moment.out.push({ kind: "cycle-opened", at: unixMs(first.at), recordId: id });
}

/** Parts made before the end of a cycle that goes on: counted now, and named in its record. */
function count(draft: CycleDraft, open: OpenCycle, pending: PendingStep): void {
  const { rules, moment, history } = draft;
  const { kind, partsPerCycle } = programRule(rules, open.main);
  const byCounter = isByCounter(rules, history, open.start) && kind === "production";
  let { counted } = open;
  for (const step of pending.steps) {
    const plausibility = step.plausibility ?? (step.deltaOfCycle === partsPerCycle ? "ok" : "suspect");
    recordStep(rules, step, { cycleId: open.id, byCounter, delta: step.deltaOfCycle, plausibility }, moment.out);
    if (byCounter) credit(step.at, step.deltaOfCycle, moment.out);
    counted = addCount(counted, step);
  }
  draft.open = { ...open, pending: null, counted };
}
