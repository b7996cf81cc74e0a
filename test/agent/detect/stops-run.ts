/**
 * Plays a day through the downtime and summary detectors as the shell does: what the detectors before them would have
 * found arrives as rows of (time, fact), and every tick owed is delivered before a later event.
 */
import type { MachineEvent } from "../../../agent/contract/detector.ts";
import type { Finding } from "../../../agent/contract/finding.ts";
import type { CycleOutcome, MachineState, NewRecord } from "../../../agent/contract/record.ts";
import type { CalendarRules, MachineRules } from "../../../agent/contract/rules.ts";
import { unixMs, type UnixMs } from "../../../agent/contract/time.ts";
import { downtimeDetector, type DowntimeState } from "../../../agent/detect/downtime.ts";
import { summaryDetector, type SummaryState } from "../../../agent/detect/summary.ts";

export type Fact =
  | { readonly state: MachineState }
  | { readonly raise: string; readonly text?: string; readonly warning?: true }
  | { readonly clear: string }
  | { readonly cycle: CycleOutcome; readonly ended?: string }
  | { readonly parts: number; readonly credited?: string }
  | { readonly tick: true };
export interface Row {
  readonly at: UnixMs;
  readonly facts: readonly Fact[];
}

/** "06:00", "06:00:30.500" on Monday 2026-01-05 in UTC, "+1 06:00" on the day after; or a whole instant. */
export function time(text: string): UnixMs {
  const match = /^(?:\+(\d+) )?(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)$/.exec(text);
  if (!match) return unixMs(Date.parse(text));
  return unixMs(Date.parse(`2026-01-05T${match[2] ?? ""}${match[2]?.length === 5 ? ":00" : ""}Z`) + Number(match[1] ?? 0) * 86_400_000);
}
/** A row of a table: time, then a state or facts. */
export const row = (at: string, ...facts: readonly (MachineState | Fact)[]): Row =>
  ({ at: time(at), facts: facts.map((fact) => (typeof fact === "string" ? { state: fact } : fact)) });

export const MINUTE = 60_000;
export function rulesWith(change: { readonly calendar?: CalendarRules | null; readonly timezone?: string; readonly downtime?: Partial<MachineRules["downtime"]>; readonly minimumMs?: number } = {}): MachineRules {
  return {
    agent: "cell-7", machine: "VMC-3", timezone: change.timezone ?? "UTC", mainPath: 1,
    state: { minimumMs: change.minimumMs ?? 0 },
    cycle: { minimumMs: 0, counterJoinMs: 5000, partsPerCycle: 1, quantity: "auto", programs: [], spindleMinimumRpm: 50, restartWithinMs: 0 },
    count: { maximumStep: 10, confirmReports: 2, confirmAfterMs: 60_000 },
    downtime: { thresholdMs: 2 * MINUTE, microStopMs: 5 * MINUTE, waitingCounts: false, reasons: [], ...change.downtime },
    alarm: { rejoinMs: 0 },
    calendar: change.calendar ?? null,
  };
}

function findingsOf(at: UnixMs, facts: readonly Fact[], before: MachineState | null): Finding[] {
  return facts.flatMap((fact): Finding[] => {
    if ("state" in fact) return [{ kind: "state-change", at, from: before, to: fact.state, mode: "auto" }];
    if ("raise" in fact) return [{ kind: "alarm-raised", at, recordId: `alarm-${fact.raise}`, alarm: { key: fact.raise, code: fact.raise, severity: fact.warning ? "WARNING" : "FAULT", text: fact.text ?? "", nativeType: "SYSTEM" } }];
    if ("clear" in fact) return [{ kind: "alarm-cleared", at, recordId: `alarm-${fact.clear}` }];
    if ("cycle" in fact) {
      const end = fact.ended === undefined ? at : time(fact.ended);
      return [{ kind: "cycle-closed", start: unixMs(end - MINUTE), end, recordId: `cycle-${end}`, cycleKind: "production", outcome: fact.cycle, elapsedMs: MINUTE }];
    }
    if ("parts" in fact) return [{ kind: "parts", at: fact.credited === undefined ? at : time(fact.credited), delta: fact.parts }];
    return [];
  });
}

export interface Run {
  /** Every revision, in order of publication, with the event time at which it came and what had been called complete. */
  readonly published: readonly { readonly at: UnixMs; readonly record: NewRecord; readonly complete: number }[];
  /** The last revision of each downtime, by start. */
  readonly downtimes: readonly NewRecord<"downtime">[];
  readonly summaries: readonly NewRecord<"summary">[];
  readonly steps: number;
  readonly states: readonly [DowntimeState, SummaryState];
}

/** `saved`: the states go through JSON between steps, as through a checkpoint. `late`: owed ticks are not delivered, only what the rows hold. */
export function play(rules: MachineRules, rows: readonly Row[], options: { readonly until?: UnixMs; readonly saved?: boolean; readonly late?: boolean } = {}): Run {
  let downtime = downtimeDetector.initial(rules);
  let summary = summaryDetector.initial(rules);
  let state: MachineState | null = null;
  let steps = 0;
  const published: { at: UnixMs; record: NewRecord; complete: number }[] = [];
  /** Up to where the detectors had said, before this step, that nothing ends any more. */
  let complete = -Infinity;
  const step = (event: MachineEvent, findings: readonly Finding[]): void => {
    steps += 1;
    const [nextDowntime, stops] = downtimeDetector.step(rules, downtime, event, findings);
    const [nextSummary, sums] = summaryDetector.step(rules, summary, event, [...findings, ...stops]);
    downtime = options.saved ? JSON.parse(JSON.stringify(nextDowntime)) as DowntimeState : nextDowntime;
    summary = options.saved ? JSON.parse(JSON.stringify(nextSummary)) as SummaryState : nextSummary;
    for (const one of [...stops, ...sums]) if (one.kind === "record") published.push({ at: event.at, record: one.record, complete });
    const held = [downtimeDetector.heldBack?.(rules, downtime), summaryDetector.heldBack?.(rules, summary)].filter((at) => typeof at === "number");
    complete = Math.min(event.at, ...held.map((at) => at - 1));
  };
  const owed = (until: UnixMs): void => {
    if (options.late) return;
    for (;;) {
      const wakes = [downtimeDetector.wakeAt(rules, downtime), summaryDetector.wakeAt(rules, summary)].filter((at) => at !== null && at <= until) as UnixMs[];
      if (wakes.length === 0) return;
      step({ kind: "tick", at: unixMs(Math.min(...wakes)) }, []);
      if (steps > 100_000) throw new Error("the detectors ask for ticks without end");
    }
  };
  for (const { at, facts } of rows) {
    owed(at);
    if (facts.every((fact) => "tick" in fact)) step({ kind: "tick", at }, []);
    else step({ kind: "observations", at, source: "cnc", items: [] }, findingsOf(at, facts, state));
    for (const fact of facts) if ("state" in fact) state = fact.state;
  }
  if (options.until !== undefined) {
    owed(options.until);
    step({ kind: "tick", at: options.until }, []);
  }
  const latest = new Map(published.map(({ record }) => [record.id, record]));
  const last = [...latest.values()];
  return {
    published, steps, states: [downtime, summary],
    downtimes: last.filter((one) => one.type === "downtime"),
    summaries: last.filter((one) => one.type === "summary"),
  };
}

/** A downtime in one line: from - to, category, reason, how it ended. */
export function line({ body, rev }: NewRecord<"downtime">): string {
  const clock = (text: string | null): string => text?.slice(11, 19) ?? "…";
  return `${clock(body.start)}-${clock(body.end)} ${body.category} ${body.reasonCode ?? body.reasonText ?? "-"} ${body.endedBy ?? body.status} rev ${rev}`;
}
