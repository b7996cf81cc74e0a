/**
 * A tally as a `summary` record. Ratios (records.md §1.5) travel with both terms, for adding up, never averaging:
 * in_cycle_utilization           production / scheduled time seen
 * in_cycle_utilization_calendar  production / the window's time seen
 * availability                   (production + micro-stops) / scheduled time seen; ISO's APT / PBT with micro-stops as speed loss
 * coverage                       time seen / the window
 * "Seen" leaves UNKNOWN out of the denominator; scheduled time is the window less planned breaks (breakMode credit: less
 * the part of them that did not run).
 */
import { MACHINE_STATES, type Body, type DowntimeCategory, type NewRecord } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { recordId } from "./record-id.ts";
import { copyTally, resolveShare, type Tally } from "./summary-tally.ts";
import { EVENT_TIMING, spanOf } from "./timing.ts";

/** A summary of which less was seen is provisional. */
const COVERAGE_MINIMUM = 0.95;

const ratio = (num: number, den: number): { num: number; den: number; value: number | null } => ({ num, den, value: den === 0 ? null : num / den });

/** The record's next revision. `category`: of the downtime still open at the window's end, if one is. */
export function summaryRecord(rules: MachineRules, tally: Tally, category: DowntimeCategory | null): NewRecord<"summary"> {
  const total = copyTally(tally);
  resolveShare(total, category);
  const { window, stateMs, categoryMs, pause, counts, stops } = total;
  const calendar = window.end - window.start;
  const seen = calendar - stateMs.UNKNOWN;
  const scheduled = calendar - pause.ms + pause.ranMs;
  const scheduledSeen = scheduled - (stateMs.UNKNOWN - pause.unknownMs);
  const coverage = seen / calendar;
  const body: Body<"summary"> = {
    ...spanOf(rules, window.start, window.end, EVENT_TIMING),
    scope: { kind: "machine", id: rules.machine },
    window: { kind: window.kind, shiftId: window.shiftId },
    stateMs: Object.fromEntries(MACHINE_STATES.filter((state) => stateMs[state] > 0).map((state) => [state, stateMs[state]])),
    categoryMs,
    basisMs: { calendar, scheduled, poweredOn: seen - stateMs.OFF },
    counts,
    stops,
    kpis: {
      in_cycle_utilization: ratio(categoryMs.production, scheduledSeen),
      in_cycle_utilization_calendar: ratio(categoryMs.production, seen),
      availability: ratio(categoryMs.production + categoryMs.micro, scheduledSeen),
      coverage: ratio(seen, calendar),
    },
    coverage,
    provisional: coverage < COVERAGE_MINIMUM,
    calendarVersion: total.calendarVersion,
  };
  const id = recordId(rules, "summary", ["machine", rules.machine, window.kind, window.shiftId]);
  return { type: "summary", id, rev: tally.rev + 1, start: window.start, body };
}
