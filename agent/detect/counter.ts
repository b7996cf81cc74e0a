/**
 * The part counter of a machine, read with suspicion (records.md §6 pitfalls 3, 4, 6, 7; mtconnect.md §7 PartCount).
 *
 *   value ─┬─ small step up ───────────────► parts            (over an outage: recovered, time not known)
 *          ├─ back to zero ────────────────► new epoch
 *          └─ large jump, or a fall ► held ─┬─ returns ─────► rejected, no new epoch
 *                                           └─ confirmed ───► recovered over an outage, else new epoch without parts
 *
 * A jump that stays counts only where parts can have been made unseen: elsewhere someone has set the counter.
 * A zero just after an outage is an adapter's initial value as often as a reset: it is held like any fall.
 */
import type { Observation } from "../contract/observation.ts";
import type { MachineEvent } from "../contract/detector.ts";
import type { MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import type { CounterStep } from "./counter-step.ts";
import { originOf } from "./record-id.ts";
import { isMainPath } from "./signals.ts";
import { INFERRED_TIMING, timingOf, type Timing } from "./timing.ts";

interface Report {
  readonly value: number;
  readonly at: UnixMs;
  readonly key: string;
  readonly timing: Timing;
}
export interface CounterState {
  /** Which counter: part_count, or part_count_good where the machine has no other; null before the first value. */
  readonly name: string | null;
  readonly value: number | null;
  readonly epoch: number;
  readonly epochKey: string;
  /** Since when its value is not known; null while known. */
  readonly outage: UnixMs | null;
  /** True while the first value ever still stands: a zero then is often an adapter's initial value. */
  readonly fresh: boolean;
  /** A jump or fall not yet believed, with the reports that agree with it. */
  readonly held: { readonly outage: UnixMs | null; readonly reports: readonly Report[] } | null;
}
type Draft = { -readonly [K in keyof CounterState]: CounterState[K] } & { readonly rules: MachineRules; readonly steps: CounterStep[] };

export const initialCounter: CounterState = { name: null, value: null, epoch: 0, epochKey: "", outage: null, fresh: true, held: null };

const isCounter = (signal: string): boolean => signal === "part_count" || signal === "part_count_good";
/** A counter at its end that falls back by more than this many parts was reset. */
const ROLLOVER_STEP = 10;
const NO_STEPS: readonly CounterStep[] = [];

/** Event time at which a held value is confirmed by time alone. */
export const counterWakeAt = (rules: MachineRules, state: CounterState): UnixMs | null => {
  const first = state.held?.reports[0];
  return first ? unixMs(first.at + rules.count.confirmAfterMs) : null;
};
export const counterHeldBack = (state: CounterState): UnixMs | null => state.held?.reports[0]?.at ?? null;

export function stepCounter(rules: MachineRules, state: CounterState, event: MachineEvent): readonly [CounterState, readonly CounterStep[]] {
  if (event.kind === "observations" && !event.items.some(({ signal }) => isCounter(signal))) return [state, NO_STEPS];
  const due = counterWakeAt(rules, state);
  if (event.kind === "tick" && (due === null || event.at < due)) return [state, NO_STEPS];
  const draft: Draft = { ...state, rules, steps: [] };
  if (due !== null && due <= event.at) confirm(draft, event.at);
  if (event.kind === "gap") lose(draft, event.at);
  else if (event.kind === "observations") for (const item of event.items) if (isCounter(item.signal) && isMainPath(rules, item)) report(draft, item, event.at);
  const { rules: _, steps, ...next } = draft;
  return [next, steps];
}

/** "125" and "125.0" as agents deliver them; null for what is no whole number from 0 on. */
function countOf({ value }: Observation): number | null {
  const number = typeof value === "number" ? value : typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) && number >= 0 ? number : null;
}

function lose(draft: Draft, at: UnixMs): void {
  if (draft.value === null) return;
  reject(draft, at);
  draft.outage ??= at;
}

function report(draft: Draft, item: Observation, at: UnixMs): void {
  if (draft.name !== item.signal && draft.name !== null && item.signal !== "part_count") return;
  const value = countOf(item);
  if (value === null) {
    if (draft.name === item.signal) lose(draft, at);
    return;
  }
  const now: Report = { value, at, key: originOf(item, at), timing: timingOf(item) };
  if (draft.name !== item.signal || draft.value === null) {
    if (draft.name !== null) draft.epoch += 1;
    Object.assign(draft, { name: item.signal, value, epochKey: now.key, outage: null, fresh: true, held: null });
  } else if (draft.held === null) read(draft, now);
  else whileHeld(draft, draft.held, now);
}

/** Largest step believed at once. From an initial zero it is what one cycle makes: the true value may be about to follow. */
function believed({ rules, value, fresh }: Draft): number {
  if (!fresh || value !== 0) return rules.count.maximumStep;
  return Math.min(rules.count.maximumStep, rules.cycle.programs.reduce((most, { partsPerCycle }) => Math.max(most, partsPerCycle ?? 0), rules.cycle.partsPerCycle));
}

function read(draft: Draft, now: Report): void {
  const before = draft.value ?? 0;
  const up = now.value - before;
  if (up === 0) draft.outage = null;
  else if (up > 0 && up <= believed(draft)) advance(draft, now);
  else if (up < 0 && wrapped(before, now.value) <= ROLLOVER_STEP) begin(draft, now, { delta: wrapped(before, now.value), rollover: true });
  else if (now.value === 0 && draft.outage === null) begin(draft, now, {});
  else draft.held = { outage: draft.outage, reports: [now] };
}

function whileHeld(draft: Draft, held: NonNullable<CounterState["held"]>, now: Report): void {
  const { maximumStep, confirmReports } = draft.rules.count;
  const base = draft.value ?? 0;
  const first = held.reports[0]?.value ?? 0;
  const last = held.reports.at(-1)?.value ?? 0;
  const returned = now.value >= base && now.value - base <= maximumStep;
  const agrees = now.value >= last && now.value - last <= maximumStep;
  if (returned || !agrees) {
    reject(draft, now.at);
    read(draft, now);
    return;
  }
  draft.held = { ...held, reports: [...held.reports, now] };
  // A glitch does not count on: the first part after a fall proves the reset.
  if (held.reports.length >= confirmReports || (first < base && now.value > first)) confirm(draft, now.at);
}

function confirm(draft: Draft, at: UnixMs): void {
  const { held, value: base } = draft;
  const [first, ...others] = held?.reports ?? [];
  draft.held = null;
  if (!first || !held) return;
  if (held.outage !== null && base !== null && base > 0 && first.value > base) {
    draft.outage = held.outage;
    advance(draft, first, { plausibility: "suspect", late: true });
  } else begin(draft, first, { plausibility: base !== null && first.value > base ? "suspect" : "ok", loose: true });
  for (const one of others) if (one.value > (draft.value ?? 0)) advance(draft, one, { late: one.at < at });
}

/** A held value that came to nothing. */
function reject(draft: Draft, at: UnixMs): void {
  const first = draft.held?.reports[0];
  draft.held = null;
  if (!first) return;
  draft.steps.push({ ...stepOf(draft, first), key: [...keyOf(draft, first), first.key], from: draft.value, end: at, plausibility: "rejected", loose: true });
}

function advance(draft: Draft, now: Report, how: { readonly plausibility?: "suspect"; readonly late?: boolean } = {}): void {
  const { plausibility = null, late = false } = how;
  const delta = now.value - (draft.value ?? 0);
  const { outage } = draft;
  const step = { ...stepOf(draft, now), from: draft.value, delta, deltaOfCycle: delta, plausibility, loose: late };
  draft.steps.push(outage === null ? step : { ...step, start: outage, timing: { ...INFERRED_TIMING, uncertaintyMs: now.at - outage }, plausibility: plausibility ?? "ok", loose: true });
  Object.assign(draft, { value: now.value, outage: null, fresh: false });
}

/** A new epoch: parts since the reset count only with evidence, a wrapped counter's at once. */
function begin(draft: Draft, now: Report, how: { readonly delta?: number; readonly rollover?: boolean; readonly plausibility?: "ok" | "suspect"; readonly loose?: boolean }): void {
  draft.epoch += 1;
  draft.epochKey = now.key;
  const { delta = 0, rollover = false, plausibility = null, loose = false } = how;
  const made = now.value <= draft.rules.count.maximumStep && !loose ? now.value : 0;
  draft.steps.push({ ...stepOf(draft, now), delta, deltaOfCycle: rollover ? delta : made, reset: !rollover, rollover, plausibility, loose: loose || (!rollover && made === 0) });
  Object.assign(draft, { value: now.value, outage: null, fresh: false });
}

/** Parts made if a counter of 2^15, 2^16 or a power of ten (from 10,000 on) turned over between the two; else infinite. */
function wrapped(before: number, after: number): number {
  const end = [10 ** Math.max(4, String(before).length), 32_768, 65_536].filter((size) => size > before).reduce((least, size) => Math.min(least, size));
  return after < before && end - before <= before ? end - before + after : Infinity;
}

const keyOf = (draft: Draft, now: Report): readonly string[] => [draft.name ?? "", draft.epochKey, String(now.value)];
const stepOf = (draft: Draft, now: Report): CounterStep => ({
  at: now.at, start: now.at, end: now.at, timing: now.timing, origin: now.key, name: draft.name ?? "", epoch: draft.epoch, key: keyOf(draft, now), from: null, to: now.value,
  delta: 0, deltaOfCycle: 0, reset: false, rollover: false, plausibility: null, loose: false,
});
