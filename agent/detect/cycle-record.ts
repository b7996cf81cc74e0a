/** A cycle that has ended, with the counter steps that belong to it, as records (records.md §2.4; design.md §4 Cycle). */
import type { Finding } from "../contract/finding.ts";
import type { Body, CycleOutcome } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { UnixMs } from "../contract/time.ts";
import type { CounterStep } from "./counter-step.ts";
import type { Counted, CycleHistory, EndedCycle } from "./cycle-parts.ts";
import { credit, programRule, recordStep } from "./parts.ts";
import { spanOf } from "./timing.ts";

/** True when a cycle or step from `start` on has the counter as its quantity of record. */
export function isByCounter(rules: MachineRules, { counterFrom }: Pick<CycleHistory, "counterFrom">, start: UnixMs): boolean {
  if (rules.cycle.quantity !== "auto") return rules.cycle.quantity === "counter";
  return counterFrom !== null && start >= counterFrom;
}

export function addCount(counted: Counted | null, step: CounterStep): Counted {
  const same = counted !== null && counted.epoch === step.epoch && counted.name === step.name;
  return { name: step.name, epoch: step.epoch, from: same ? counted.from : step.from, to: step.to, delta: (counted?.delta ?? 0) + step.deltaOfCycle };
}

function outcomeOf(rules: MachineRules, { endedBy, fromHold, completed, steps }: EndedCycle, history: CycleHistory): CycleOutcome {
  const evidence = completed || steps.some(({ deltaOfCycle }) => deltaOfCycle > 0);
  switch (endedBy) {
    case "program_completed": case "counter_step":
      return "completed";
    case "fault": case "emergency_stop": case "mode_changed": case "power_off":
      return "aborted";
    case "source_lost":
      return "unknown";
    case "ready":
      if (evidence) return "completed";
      if (fromHold) return "interrupted";
      if (history.completes) return "aborted";
      return history.counterFrom === null || rules.cycle.quantity === "cycle" ? "completed" : "unknown";
    case "stopped":
      return evidence ? "completed" : fromHold ? "interrupted" : "aborted";
    case "program_changed":
      return evidence ? "completed" : fromHold ? "interrupted" : "unknown";
  }
}

/** Adds the cycle's records to `out`; returns the history after it. */
export function publishCycle(rules: MachineRules, history: CycleHistory, ended: EndedCycle, out: Finding[]): CycleHistory {
  const { cycle, end, steps } = ended;
  const elapsedMs = end - cycle.start;
  const outcome = outcomeOf(rules, ended, history);
  const rule = programRule(rules, cycle.main);
  const cycleKind = elapsedMs < rules.cycle.minimumMs ? "unknown" : rule.kind;
  const partsExpected = cycleKind === "production" ? rule.partsPerCycle : 0;
  const byCounter = isByCounter(rules, history, cycle.start);
  const counted = steps.reduce<Counted | null>(addCount, cycle.counted);
  const joined = steps.reduce((sum, step) => sum + step.deltaOfCycle, 0);
  const makes = cycleKind === "production";
  const partsDelta = byCounter ? (makes ? (counted?.delta ?? 0) : 0) : outcome === "completed" ? partsExpected : 0;
  out.push({ kind: "cycle-closed", start: cycle.start, end, recordId: cycle.id, cycleKind, outcome, elapsedMs });
  out.push({
    kind: "record",
    record: {
      type: "cycle", id: cycle.id, rev: 1, start: cycle.start,
      body: {
        ...spanOf(rules, cycle.start, end, cycle.timing),
        program: { main: cycle.main, active: cycle.active, comment: cycle.comment },
        paths: cycle.paths.map(String), cycleKind, outcome, endedBy: ended.endedBy, startObserved: cycle.startObserved,
        cycleElapsedMs: elapsedMs, inCycleMs: cycle.sums.inCycleMs, heldMs: cycle.sums.heldMs, unknownMs: elapsedMs - cycle.sums.inCycleMs - cycle.sums.heldMs,
        gapBeforeMs: cycle.gapBeforeMs, partsDelta, partsExpected, quantityOfRecord: !byCounter,
        counter: counted && { name: counted.name, epoch: counted.epoch, from: counted.from, to: counted.to },
        spindle: spindleOf(ended),
        toolChanges: cycle.toolsKnown ? cycle.sums.tools : null,
        alarmIds: [...cycle.alarmIds], restartOf: restartOf(rules, history, ended),
      },
    },
  });
  for (const step of steps) recordStep(rules, step, { cycleId: cycle.id, byCounter: byCounter && makes, delta: step.deltaOfCycle, plausibility: step.plausibility ?? "ok" }, out);
  credit(end, byCounter ? (makes ? joined : 0) : partsDelta, out);
  const works = steps.some(({ delta }) => delta > 0);
  return { ...history, last: { id: cycle.id, end, outcome, main: cycle.main }, counterFrom: history.counterFrom ?? (works ? end : null) };
}

function spindleOf({ cycle }: EndedCycle): Body<"cycle">["spindle"] {
  return cycle.spindleKnown ? { onMs: Math.min(cycle.sums.spindleMs, cycle.sums.inCycleMs), cutMs: null, method: "spindle_on" } : null;
}

function restartOf(rules: MachineRules, { last }: CycleHistory, { cycle }: EndedCycle): string | null {
  if (last === null || rules.cycle.restartWithinMs === 0 || cycle.main === null || last.main !== cycle.main) return null;
  if (last.outcome !== "aborted" && last.outcome !== "interrupted") return null;
  return cycle.start - last.end <= rules.cycle.restartWithinMs ? last.id : null;
}
