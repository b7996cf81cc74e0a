/** Cycles of one machine: their arithmetic, and that it is the arithmetic of the states under them. */
import type { CycleFact, StateFact } from "./fact.ts";
import { iso, type Findings } from "./finding.ts";
import { subject } from "./ledger.ts";
import { overlapMs, overlaps, type Timeline } from "./spans.ts";

export function checkCycles(cycles: readonly CycleFact[], states: Timeline<StateFact>, findings: Findings): void {
  for (const [one, other] of overlaps(cycles)) findings.add("cycle-overlap", { ...subject(other), ids: [one.id, other.id] }, `begins inside the cycle of ${iso(one.start)}`);
  for (const cycle of cycles) {
    checkSum(cycle, findings);
    checkParts(cycle, findings);
    checkStates(cycle, states, findings);
  }
}

function checkSum(cycle: CycleFact, findings: Findings): void {
  const { start, end, elapsedMs, inCycleMs, heldMs, unknownMs } = cycle;
  if (elapsedMs !== inCycleMs + heldMs + unknownMs) findings.add("cycle-sum", subject(cycle), `${elapsedMs} ms are not ${inCycleMs} in cycle + ${heldMs} held + ${unknownMs} unknown`);
  if (end !== null && end - start !== elapsedMs) findings.add("cycle-sum", subject(cycle), `start to end is ${end - start} ms, but it says ${elapsedMs}`);
}

function checkParts(cycle: CycleFact, findings: Findings): void {
  if (cycle.parts === 0) return;
  const made = `${cycle.parts} parts`;
  if (cycle.kind !== "production") findings.add("cycle-parts", subject(cycle), `${made} of a cycle of kind ${cycle.kind}`);
  else if (cycle.outcome !== "completed" && cycle.counter === null) findings.add("cycle-parts", subject(cycle), `${made} of a cycle that was ${cycle.outcome}, without a counter`);
}

/** Only where states cover the whole cycle: a file may begin inside one. */
function checkStates(cycle: CycleFact, states: Timeline<StateFact>, findings: Findings): void {
  if (cycle.end === null) return;
  let [running, unknown, seen] = [0, 0, 0];
  for (const state of states.under(cycle)) {
    const ms = overlapMs(state, cycle);
    seen += ms;
    if (state.state === "RUNNING") running += ms;
    if (state.state === "UNKNOWN") unknown += ms;
  }
  if (seen !== cycle.end - cycle.start) return;
  if (running !== cycle.inCycleMs) findings.add("cycle-state", subject(cycle), `says ${cycle.inCycleMs} ms in cycle, but the machine ran ${running} ms of it`);
  if (unknown !== cycle.unknownMs) findings.add("cycle-state", subject(cycle), `says ${cycle.unknownMs} ms unknown, but ${unknown} ms of it are`);
}
