/** Summaries: they add up in themselves, and to the records of their window. */
import type { CountFact, CycleFact, StateFact, SummaryFact } from "./fact.ts";
import type { Findings } from "./finding.ts";
import { subject } from "./ledger.ts";
import { endOf, overlapMs, type Timeline } from "./spans.ts";

export interface Of {
  readonly states: Timeline<StateFact>;
  readonly cycles: readonly CycleFact[];
  readonly counts: readonly CountFact[];
}

export function checkSummary(summary: SummaryFact, of: Of, findings: Findings): void {
  checkSums(summary, findings);
  const first = of.states.sorted[0];
  // What was before the first state nobody saw; where a file holds no states at all there is nothing to compare with.
  if (!first || summary.end === null) return;
  checkStates(summary, of.states, findings);
  if (first.start <= summary.start) checkCounts(summary, of, findings);
}

export const total = (parts: Readonly<Record<string, number>>): number => Object.values(parts).reduce((sum, part) => sum + part, 0);
const near = (one: number, other: number): boolean => Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one));

function checkSums(summary: SummaryFact, findings: Findings): void {
  const { start, counts, coverage } = summary;
  const window = (summary.end ?? start) - start;
  const wrong = (words: string): void => findings.add("summary-sum", subject(summary), `${summary.window}: ${words}`);
  for (const [name, ms] of [["states", total(summary.stateMs)], ["categories", total(summary.categoryMs)], ["the calendar", summary.calendarMs]] as const)
    if (ms !== window) wrong(`${name} say ${ms} ms, the window has ${window}`);
  if (summary.scheduledMs > window) wrong(`${summary.scheduledMs} ms scheduled in a window of ${window}`);
  if (counts.cycles !== counts.completed + counts.aborted + counts.interrupted + counts.unknown) wrong(`${counts.cycles} cycles are not ${counts.completed} + ${counts.aborted} + ${counts.interrupted} + ${counts.unknown}`);
  const seen = window === 0 ? null : (window - (summary.stateMs["UNKNOWN"] ?? 0)) / window;
  if (seen !== null && (coverage === null || !near(coverage, seen))) wrong(`coverage ${coverage}, but ${seen} of it was seen`);
  for (const { name, num, den, value } of summary.kpis) {
    const ratio = den === 0 ? null : num / den;
    if (ratio === null ? value !== null : value === null || !near(value, ratio)) wrong(`${name} is ${value}, but its terms give ${ratio}`);
  }
}

function checkStates(summary: SummaryFact, states: Timeline<StateFact>, findings: Findings): void {
  const sums: Record<string, number> = {};
  let seen = 0;
  for (const state of states.under(summary)) {
    const ms = overlapMs(state, summary);
    seen += ms;
    sums[state.state] = (sums[state.state] ?? 0) + ms;
  }
  const unseen = endOf(summary) - summary.start - seen;
  sums["UNKNOWN"] = (sums["UNKNOWN"] ?? 0) + unseen;
  for (const name of new Set([...Object.keys(sums), ...Object.keys(summary.stateMs)])) {
    const [said, true_] = [summary.stateMs[name] ?? 0, sums[name] ?? 0];
    if (said !== true_) findings.add("summary-states", subject(summary), `${summary.window}: ${said} ms ${name}, but the states say ${true_}`);
  }
}

/** Credited where it ended (records.md §7): start ≤ end of the cycle < end of the window. */
function checkCounts(summary: SummaryFact, { cycles, counts }: Of, findings: Findings): void {
  const inside = ({ end }: CycleFact | CountFact): boolean => end !== null && end >= summary.start && end < endOf(summary);
  const ended = cycles.filter(inside);
  const parts = [...ended.filter((one) => one.ofRecord).map((one) => one.parts), ...counts.filter((one) => one.ofRecord && inside(one)).map((one) => one.delta)];
  const found: Record<string, number> = { cycles: ended.length, completed: 0, aborted: 0, interrupted: 0, unknown: 0, parts: parts.reduce((sum, one) => sum + one, 0) };
  for (const { outcome } of ended) found[outcome] = (found[outcome] ?? 0) + 1;
  for (const [name, number] of Object.entries(found)) {
    const said = summary.counts[name as keyof typeof summary.counts];
    if (said !== number) findings.add("summary-counts", subject(summary), `${summary.window}: ${said} ${name}, but the records say ${number}`);
  }
}
