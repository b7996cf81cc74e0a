/**
 * Counter steps as `count` records, and the parts that count. A part is in the quantity of record once: in the cycle's
 * record or in the counter's, never in both (records.md §6 pitfall 2). Counts of programs that make no parts are
 * recorded and do not count.
 */
import type { Finding } from "../contract/finding.ts";
import type { CycleKind } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import type { CounterStep } from "./counter-step.ts";
import { matchesGlob } from "./glob.ts";
import { recordId } from "./record-id.ts";
import { INFERRED_TIMING, slackOf, spanOf } from "./timing.ts";

/** To which cycle a step belongs, and whether the counter is the quantity of record there. */
export interface StepLink {
  readonly cycleId: string | null;
  readonly byCounter: boolean;
  readonly delta: number;
  readonly plausibility: "ok" | "suspect" | "rejected";
}

/** Adds the step's record to `out`. */
export function recordStep(rules: MachineRules, step: CounterStep, link: StepLink, out: Finding[]): void {
  const quantityOfRecord = link.byCounter && link.plausibility !== "rejected";
  out.push({
    kind: "record",
    record: {
      type: "count", id: recordId(rules, "count", step.key), rev: 1, start: step.start,
      body: {
        ...spanOf(rules, step.start, step.end, step.timing),
        counter: { name: step.name, epoch: step.epoch, from: step.from, to: step.to },
        counterKind: "resettable",
        delta: link.plausibility === "rejected" ? 0 : link.delta,
        resetDetected: step.reset, rollover: step.rollover, plausibility: link.plausibility,
        cycleIds: link.cycleId === null ? [] : [link.cycleId],
        quantityOfRecord,
      },
    },
  });
}

export function credit(at: UnixMs, delta: number, out: Finding[]): void {
  if (delta > 0) out.push({ kind: "parts", at, delta });
}

/**
 * A step of no cycle. Recovered over an outage it is what it is. Of a polled source it may be a cycle shorter than the time
 * between two looks: the record then spans that time, as concluded. Otherwise something else moved the counter.
 */
export function recordLoose(rules: MachineRules, step: CounterStep, now: { readonly byCounter: boolean; readonly blind: boolean }, out: Finding[]): void {
  const plausibility = step.plausibility ?? (now.blind || step.delta === 0 ? "ok" : "suspect");
  recordStep(rules, unseen(step), { cycleId: null, byCounter: now.byCounter, delta: step.delta, plausibility }, out);
  if (now.byCounter && plausibility !== "rejected") credit(step.at, step.delta, out);
}

function unseen(step: CounterStep): CounterStep {
  const sinceMs = slackOf(step.timing);
  if (sinceMs === 0 || step.delta === 0 || step.start !== step.at) return step;
  return { ...step, start: unixMs(step.at - sinceMs), timing: { ...INFERRED_TIMING, uncertaintyMs: sinceMs } };
}

/** Kind and parts of one cycle of `program`; a program without a rule is production. */
export function programRule(rules: MachineRules, program: string | null): { readonly kind: CycleKind; readonly partsPerCycle: number } {
  const rule = program === null ? undefined : rules.cycle.programs.find(({ match }) => matchesGlob(match, program));
  const kind = rule?.kind ?? "production";
  return { kind, partsPerCycle: kind === "production" ? (rule?.partsPerCycle ?? rules.cycle.partsPerCycle) : 0 };
}
