import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NewRecord } from "../../../agent/contract/record.ts";
import type { CalendarRules, MachineRules, Weekday } from "../../../agent/contract/rules.ts";
import { unixMs, type UnixMs } from "../../../agent/contract/time.ts";
import { piecesBetween } from "../../../agent/detect/calendar.ts";
import { MINUTE, play, rulesWith, type Fact, type Row, type Run } from "./stops-run.ts";

const ALL: Weekday[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const clock = fc.integer({ min: 0, max: 143 }).map((tens) => tens * 10);
const days = fc.subarray(ALL, { minLength: 3 });
const anyCalendar: fc.Arbitrary<CalendarRules> = fc.record({
  shifts: fc.array(fc.record({ code: fc.constantFrom("A", "B", "C"), startMinute: clock, endMinute: clock, days }), { minLength: 1, maxLength: 3 }),
  breaks: fc.array(fc.record({ name: fc.constantFrom("meal", "rest"), startMinute: clock, endMinute: clock, days }), { maxLength: 2 }),
  breakMode: fc.constantFrom("strict" as const, "credit" as const),
}).map((one) => ({ name: "any", version: "v", timezone: "Europe/Paris", exceptions: [], ...one }));
const anyRules: fc.Arbitrary<MachineRules> = fc.record({
  calendar: fc.option(anyCalendar), waitingCounts: fc.boolean(), minimumMs: fc.constantFrom(0, 0, 500),
  thresholdMs: fc.constantFrom(0, 2 * MINUTE, 10 * MINUTE), microStopMs: fc.constantFrom(0, 5 * MINUTE, 30 * MINUTE),
}).map(({ calendar, minimumMs, ...downtime }) => rulesWith({
  calendar, minimumMs, timezone: "Europe/Paris",
  downtime: { ...downtime, reasons: [{ alarm: "BAR", code: "BAR", category: "planned" }, { state: "ESTOP", code: "E" }, { state: "MANUAL", code: "S", category: "setup" }] },
}));

const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("RUNNING", "RUNNING", "HELD", "WAITING", "READY", "ALARM", "ESTOP", "MANUAL", "OFF", "UNKNOWN").map((state) => ({ state })) },
  { weight: 1, arbitrary: fc.constantFrom("BAR", "17").map((raise) => ({ raise })) },
  { weight: 1, arbitrary: fc.constantFrom("BAR", "17").map((clear) => ({ clear })) },
  { weight: 1, arbitrary: fc.constantFrom("completed" as const, "aborted" as const).map((cycle) => ({ cycle })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }).map((parts) => ({ parts })) },
);
/** Steps that love the thresholds and boundaries, to the millisecond. */
const anyStep = fc.oneof(
  fc.constantFrom(0, 1, 2 * MINUTE, 2 * MINUTE + 1, 5 * MINUTE, 10 * MINUTE, 10 * MINUTE + 1, 30 * MINUTE, MINUTE + 1, 60 * MINUTE),
  fc.integer({ min: 1, max: 20 * 60 * MINUTE }), fc.integer({ min: 1, max: 10 * MINUTE }),
);
const anyStart = fc.constantFrom("2026-01-05T03:00:00Z", "2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z").map((text) => Date.parse(text));
const anyRows: fc.Arbitrary<readonly Row[]> = fc.tuple(anyStart, fc.array(fc.tuple(anyStep, anyFact), { minLength: 1, maxLength: 40 })).map(([start, steps]) => {
  let at = start;
  return steps.map(([more, fact]) => ({ at: unixMs(at += more), facts: [fact] }));
});

const endOf = (rows: readonly Row[]): UnixMs => unixMs((rows.at(-1)?.at ?? 0) + 3 * 86_400_000);
const told = (run: Run): Record<string, unknown> => Object.fromEntries(run.published.map(({ record }) => [record.id, record]));
const total = (of: Readonly<Record<string, number>>): number => Object.values(of).reduce((sum, ms) => sum + ms, 0);
const check = (property: (rules: MachineRules, rows: readonly Row[]) => void, numRuns = 300): void =>
  fc.assert(fc.property(anyRules, anyRows, property), { numRuns: numRuns * Number(process.env["RUNS"] ?? 1) });

/** Spans of the machine's states, as the rows say; UNKNOWN before the first. */
function statesOf(rows: readonly Row[], until: UnixMs): { readonly from: UnixMs; readonly to: UnixMs; readonly state: string }[] {
  const changes = rows.flatMap(({ at, facts }) => facts.flatMap((fact) => ("state" in fact ? [{ from: at, state: fact.state }] : [])));
  return changes.map((one, index) => ({ ...one, to: changes[index + 1]?.from ?? until }));
}
const overlap = (a: { from: number; to: number }, b: { from: number; to: number }): number => Math.max(0, Math.min(a.to, b.to) - Math.max(a.from, b.from));
const spanOf = ({ body, start }: NewRecord<"downtime">, until: UnixMs): { from: UnixMs; to: UnixMs } => ({ from: start, to: body.end === null ? until : unixMs(Date.parse(body.end)) });

describe("whatever happens", () => {
  it("ticks change nothing: owed ones alone, many more, or none until the end (P1, P7)", () => check((rules, rows) => {
    const until = endOf(rows);
    const owed = play(rules, rows, { until });
    const more = rows.flatMap((one) => [{ at: one.at, facts: [{ tick: true } as const] }, one, { at: one.at, facts: [{ tick: true } as const] }, { at: unixMs(one.at + 1), facts: [{ tick: true } as const] }]);
    more.sort((a, b) => a.at - b.at);
    expect(told(play(rules, more, { until }))).toEqual(told(owed));
    expect(told(play(rules, rows, { until, late: true }))).toEqual(told(owed));
  }));

  it("a checkpoint between any two steps changes nothing", () => check((rules, rows) => {
    const until = endOf(rows);
    expect(play(rules, rows, { until, saved: true }).published).toEqual(play(rules, rows, { until }).published);
  }, 100));

  it("a summary adds up to its window, its states are those of the rows, no ratio exceeds 1", () => check((rules, rows) => {
    const until = endOf(rows);
    const states = statesOf(rows, until);
    for (const { body, start } of play(rules, rows, { until }).summaries) {
      expect([total(body.stateMs), total(body.categoryMs), body.basisMs.calendar]).toEqual([body.durationMs, body.durationMs, body.durationMs]);
      const window = { from: start, to: Date.parse(body.end ?? "") };
      for (const state of Object.keys(body.stateMs).filter((one) => one !== "UNKNOWN")) {
        expect(body.stateMs[state]).toBe(states.filter((one) => one.state === state).reduce((sum, one) => sum + overlap(one, window), 0));
      }
      expect(body.categoryMs["unknown"]).toBe(body.stateMs["UNKNOWN"] ?? 0);
      for (const { num, den } of Object.values(body.kpis)) expect(num).toBeLessThanOrEqual(den);
    }
  }));

  it("summaries and downtimes tell the same stops", () => check((rules, rows) => {
    const until = endOf(rows);
    const { summaries, downtimes } = play(rules, rows, { until });
    for (const { body, start } of summaries) {
      const window = { from: start, to: Date.parse(body.end ?? "") };
      const inside = downtimes.filter((one) => overlap(spanOf(one, until), window) > 0);
      const micro = inside.filter((one) => one.body.category === "micro");
      const begun = (of: typeof inside): number => of.filter((one) => one.start >= window.from).length;
      const ms = (of: typeof inside): number => of.reduce((sum, one) => sum + overlap(spanOf(one, until), window), 0);
      expect(body.stops).toEqual({ n: begun(inside), ms: ms(inside), microN: begun(micro), microMs: ms(micro) });
    }
  }));

  it("no downtime overlaps another, unknown, running or unscheduled time, or is within the threshold; segments add up", () => check((rules, rows) => {
    const until = endOf(rows);
    const fine = statesOf(rows, until).filter((one) => one.state === "UNKNOWN" || one.state === "RUNNING");
    const stops = [...play(rules, rows, { until }).downtimes].sort((a, b) => a.start - b.start);
    stops.forEach((stop, index) => {
      const span = spanOf(stop, until);
      expect(span.to - span.from).toBeGreaterThan(rules.downtime.thresholdMs);
      expect(stops[index + 1]?.start ?? Infinity).toBeGreaterThanOrEqual(span.to);
      expect(fine.filter((one) => overlap(one, span) > 0)).toEqual([]);
      const pieces = rules.calendar ? [...piecesBetween(rules.calendar, span.from, span.to)] : [];
      expect(pieces.filter((piece) => piece.occurrence === null)).toEqual([]);
      expect(stop.body.segments.reduce((sum, one) => sum + one.ms, 0)).toBe(stop.body.durationMs ?? 0);
    });
  }));

  it("every part and cycle that ends in a window is counted there, once", () => check((rules, rows) => {
    const known = rows.findIndex((one) => one.facts.some((fact) => "state" in fact));
    for (const { body, start } of play(rules, rows, { until: endOf(rows) }).summaries) {
      const inside = rows.filter((one, index) => index >= known && one.at >= start && one.at < Date.parse(body.end ?? "")).flatMap((one) => one.facts);
      expect(body.counts.parts).toBe(inside.reduce((sum, fact) => sum + ("parts" in fact ? fact.parts : 0), 0));
      expect(body.counts.cycles).toBe(inside.filter((fact) => "cycle" in fact).length);
    }
  }));

  it("what is held back is told: no first revision ends at or before what was called complete", () => check((rules, rows) => {
    const firsts = play(rules, rows, { until: endOf(rows) }).published.filter(({ record }) => record.rev === 1);
    for (const { record, complete } of firsts) {
      const { end } = record.body;
      expect(end === null ? Infinity : Date.parse(end)).toBeGreaterThan(complete);
    }
  }));

  it("costs little: a bounded number of ticks and of state", () => check((rules, rows) => {
    const run = play(rules, rows, { until: endOf(rows) });
    const spanDays = (endOf(rows) - (rows[0]?.at ?? 0)) / 86_400_000;
    expect(run.steps).toBeLessThan(rows.length * 4 + (spanDays + 2) * 20);
    expect(JSON.stringify(run.states).length).toBeLessThan(60_000);
  }, 50));
});
