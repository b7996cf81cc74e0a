/**
 * What arrived at the broker, summed up: from the records alone, as a bridge would. Time is cut at `until`, so that a
 * state still going on counts up to then. State times, gaps and what was not seen yet add up to the whole.
 */
import type { MachineState } from "../../agent/contract/record.ts";
import { isObject, numberOf, objectOf, textOf, timeOf } from "./event.ts";
import type { Ledger } from "./ledger.ts";
import { isState } from "./words.ts";

export interface Stretch {
  readonly state: MachineState;
  readonly from: number;
  readonly to: number;
}
export interface DemoSummary {
  readonly from: string;
  readonly until: string;
  readonly machine: string;
  readonly cycles: { readonly completed: number; readonly aborted: number; readonly interrupted: number; readonly unknown: number };
  readonly parts: number;
  readonly stateMs: Readonly<Partial<Record<MachineState, number>>>;
  readonly downtimes: readonly { readonly start: string; readonly ms: number; readonly plannedMs: number; readonly reason: string | null; readonly category: string }[];
  readonly gaps: readonly { readonly start: string; readonly ms: number; readonly reason: string }[];
  readonly records: { readonly received: number; readonly duplicates: number; readonly lost: number };
}

/** The machine's states in order, the last one up to `until`. */
export function stretches(ledger: Ledger, until: number): Stretch[] {
  return ledger.of("state").flatMap(({ data }) => {
    const [state, from] = [textOf(data, "state"), timeOf(data, "start")];
    if (!isState(state) || from === null || from >= until) return [];
    return [{ state, from, to: Math.min(until, timeOf(data, "end") ?? until) }];
  });
}

export function summarize(ledger: Ledger, machine: string, span: { readonly from: number; readonly until: number }): DemoSummary {
  const { from, until } = span;
  const cycles = { completed: 0, aborted: 0, interrupted: 0, unknown: 0 };
  let parts = 0;
  for (const { data } of ledger.of("cycle")) {
    const outcome = textOf(data, "outcome");
    if (outcome === "completed" || outcome === "aborted" || outcome === "interrupted") cycles[outcome]++;
    else cycles.unknown++;
    if (data["quantityOfRecord"] === true) parts += numberOf(data, "partsDelta") ?? 0;
  }
  for (const { data } of ledger.of("count")) {
    if (data["quantityOfRecord"] === true && data["plausibility"] !== "rejected") parts += numberOf(data, "delta") ?? 0;
  }
  const stateMs: Partial<Record<MachineState, number>> = {};
  for (const { state, from: start, to } of stretches(ledger, until)) stateMs[state] = (stateMs[state] ?? 0) + to - start;
  const lengthOf = (data: Readonly<Record<string, unknown>>): number => numberOf(data, "durationMs") ?? Math.max(0, until - (timeOf(data, "start") ?? until));
  return {
    from: new Date(from).toISOString(), until: new Date(until).toISOString(), machine, cycles, parts, stateMs,
    downtimes: ledger.of("downtime").map(({ data }) => ({ start: textOf(data, "start") ?? "", ms: lengthOf(data), plannedMs: plannedOf(data), reason: textOf(data, "reasonText"), category: textOf(data, "category") ?? "" })),
    gaps: ledger.of("connection").filter(({ data }) => data["kind"] === "gap").map(({ data }) => ({ start: textOf(data, "start") ?? "", ms: lengthOf(data), reason: textOf(data, "reason") ?? "" })),
    records: { received: ledger.received, duplicates: ledger.duplicates, lost: ledger.lost },
  };
}

/** The share inside planned breaks; it is known when the downtime has closed. */
function plannedOf(data: Readonly<Record<string, unknown>>): number {
  const segments: unknown[] = Array.isArray(data["segments"]) ? data["segments"] : [];
  return segments.reduce<number>((sum, segment) => (isObject(segment) && segment["planned"] === true ? sum + (numberOf(segment, "ms") ?? 0) : sum), 0);
}

/** Shift summaries as the agent published them, for comparison with ours. */
export const publishedSummaries = (ledger: Ledger): readonly { readonly shift: string; readonly parts: number | null; readonly coverage: number | null }[] =>
  ledger.of("summary").filter(({ data }) => textOf(objectOf(data, "window"), "kind") === "shift").map(({ data }) => ({ shift: textOf(objectOf(data, "window"), "shiftId") ?? "", parts: numberOf(objectOf(data, "counts"), "parts"), coverage: numberOf(data, "coverage") }));
