/** States of one machine tile time; what nobody saw has a gap record. */
import type { ConnectionFact, StateFact } from "./fact.ts";
import { iso, type Findings } from "./finding.ts";
import { subject } from "./ledger.ts";
import { bare, byStart, endOf, overlaps, type Timeline } from "./spans.ts";

export function checkStates(states: Timeline<StateFact>, findings: Findings): void {
  let before: StateFact | undefined;
  for (const state of states.sorted) {
    if (state.end !== null) checkUnknownMs(state, state.end - state.start, findings);
    if (before) checkSuccession(before, state, findings);
    before = state;
  }
}

function checkUnknownMs(state: StateFact, lengthMs: number, findings: Findings): void {
  const expected = state.state === "UNKNOWN" ? lengthMs : 0;
  if (state.unknownMs !== expected) findings.add("unknown-ms", subject(state), `${state.state} for ${lengthMs} ms says that ${state.unknownMs} ms are unknown`);
}

function checkSuccession(before: StateFact, state: StateFact, findings: Findings): void {
  const pair = { ...subject(state), ids: [before.id, state.id] };
  const was = `${before.state} since ${iso(before.start)}`;
  if (before.end === null) findings.add("state-order", pair, `${was} is still open where ${state.state} begins`);
  else if (before.end > state.start) findings.add("state-overlap", pair, `${was} lasts ${before.end - state.start} ms into ${state.state}`);
  else if (before.end < state.start) findings.add("state-hole", pair, `nothing between ${was}, which ends ${iso(before.end)}, and ${state.state}`);
  if (state.prevState !== before.state) findings.add("state-order", pair, `${state.state} says it followed ${state.prevState}, but it followed ${before.state}`);
}

/** Every gap of the machine, whichever source; each UNKNOWN must lie under them. */
export function checkGaps(states: Timeline<StateFact>, connections: readonly ConnectionFact[], findings: Findings): void {
  const gaps = byStart(connections.filter(({ kind }) => kind === "gap"));
  for (const gap of gaps) if (gap.lastGoodAt !== null && gap.lastGoodAt > gap.start) findings.add("gap", subject(gap), `the gap begins before what was last good at ${iso(gap.lastGoodAt)}`);
  for (const source of new Set(gaps.map((gap) => gap.source)))
    for (const [one, other] of overlaps(gaps.filter((gap) => gap.source === source)))
      findings.add("gap", { ...subject(other), ids: [one.id, other.id] }, `this gap of ${source} begins inside the one of ${iso(one.start)}`);
  for (const state of states.sorted) {
    if (state.state !== "UNKNOWN") continue;
    for (const span of bare(state, gaps)) findings.add("unknown-uncovered", { ...subject(state), at: span.start }, `UNKNOWN ${span.end === null ? "until now" : `for ${endOf(span) - span.start} ms`} without a gap record`);
  }
}
