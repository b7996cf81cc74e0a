import { describe, expect, it } from "vitest";
import { RECORD_BODIES, type NewRecord } from "../../../agent/contract/record.ts";
import type { CalendarRules, MachineRules } from "../../../agent/contract/rules.ts";
import { summaryDetector } from "../../../agent/detect/summary.ts";
import { MINUTE, play, row, rulesWith, time, type Row } from "./stops-run.ts";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const oneShift: CalendarRules = {
  name: "early", version: "c1", timezone: "UTC", exceptions: [], breakMode: "strict",
  shifts: [{ code: "A", startMinute: 360, endMinute: 840, days: DAYS }],
  breaks: [{ name: "meal", startMinute: 600, endMinute: 630, days: DAYS }],
};
const twoShifts: CalendarRules = { ...oneShift, shifts: [...oneShift.shifts, { code: "B", startMinute: 840, endMinute: 1320, days: DAYS }] };
const early = rulesWith({ calendar: oneShift });
const both = rulesWith({ calendar: twoShifts });
const plain = rulesWith();

type Summary = NewRecord<"summary">;
const summaries = (rules: MachineRules, rows: readonly Row[], until: string): readonly Summary[] => play(rules, rows, { until: time(until) }).summaries;
const minutes = (of: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(of).filter(([, ms]) => ms > 0).map(([name, ms]) => [name, ms / MINUTE]));
const total = (of: Readonly<Record<string, number>>): number => Object.values(of).reduce((sum, ms) => sum + ms, 0);

describe("the worked example of records.md §1.5 (shift 06:00-14:00, a break of 30 min)", () => {
  // Setup 45, RUNNING 312, twelve micro-stops of 1.5 min, one unplanned stop of 60, idle 15: 450 min, and the break.
  const site = rulesWith({ calendar: oneShift, downtime: { thresholdMs: MINUTE, microStopMs: 5 * MINUTE, reasons: [{ state: "MANUAL", code: "SETUP", category: "setup" }, { state: "ALARM", code: "FAULT" }] } });
  const rows: Row[] = [row("05:30", "READY"), row("06:00", "MANUAL"), row("06:45", "RUNNING")];
  const minute = (at: number): string => `2026-01-05T${String(Math.floor(at / 60)).padStart(2, "0")}:${String(Math.floor(at) % 60).padStart(2, "0")}:${at % 1 === 0 ? "00" : "30"}Z`;
  for (let stop = 0; stop < 12; stop += 1) rows.push(row(minute(420 + stop * 10), "READY"), row(minute(421.5 + stop * 10), "RUNNING"));
  rows.push(row("10:00", "READY"), row("10:30", "RUNNING"), row("11:00", "ALARM"), row("12:00", "RUNNING"), row("13:00", "READY"), row("13:15", "RUNNING", { parts: 156 }));
  const [shift] = summaries(site, rows, "14:20");
  const body = shift?.body;

  it("time per state and category", () => {
    expect(minutes(body?.stateMs ?? {})).toEqual({ RUNNING: 312, READY: 63, ALARM: 60, MANUAL: 45 });
    expect(minutes(body?.categoryMs ?? {})).toEqual({ production: 312, unplanned: 75, planned: 30, micro: 18, setup: 45 });
    expect(minutes(body?.basisMs ?? {})).toEqual({ calendar: 480, scheduled: 450, poweredOn: 480 });
  });
  it("ratios: A 0.7333, in-cycle 0.6933 of scheduled and 0.6500 of calendar time", () => {
    expect(body?.kpis["availability"]).toEqual({ num: 330 * MINUTE, den: 450 * MINUTE, value: 330 / 450 });
    expect(body?.kpis["in_cycle_utilization"]?.value).toBeCloseTo(0.6933, 4);
    expect(body?.kpis["in_cycle_utilization_calendar"]?.value).toBe(0.65);
    expect(body?.kpis["coverage"]?.value).toBe(1);
  });
  it("stops and parts", () => {
    // 45 setup + 18 micro + 60 + 15 + the break's 30.
    expect(body?.stops).toEqual({ n: 16, ms: 168 * MINUTE, microN: 12, microMs: 18 * MINUTE });
    expect(body?.counts.parts).toBe(156);
  });
  it("is a body of the contract, once, under an id of scope and window", () => {
    expect(RECORD_BODIES.summary.read(body, [], [])).toEqual(body);
    expect([shift?.rev, body?.window, body?.scope, body?.calendarVersion]).toEqual([1, { kind: "shift", shiftId: "A@2026-01-05" }, { kind: "machine", id: "VMC-3" }, "c1"]);
  });
});

describe("categories", () => {
  const categories = (rules: MachineRules, ...rows: Row[]): Record<string, number> => minutes(summaries(rules, rows, "14:20")[0]?.body.categoryMs ?? {});
  it.each([
    ["stops within the allowance are load and unload (pitfall 30)", [row("06:00", "RUNNING"), row("08:00", "READY"), row("08:02", "RUNNING")], { production: 448, load_unload: 2, planned: 30 }],
    ["micro-stops stand apart", [row("06:00", "RUNNING"), row("08:00", "READY"), row("08:04", "RUNNING")], { production: 446, micro: 4, planned: 30 }],
    ["waiting is neither production nor stop", [row("06:00", "RUNNING"), row("08:00", "WAITING"), row("09:00", "RUNNING")], { production: 390, waiting: 60, planned: 30 }],
    ["what was not seen is unknown, inside breaks too (pitfall 10)", [row("06:00", "RUNNING"), row("09:30", "UNKNOWN"), row("10:15", "RUNNING")], { production: 420, planned: 15, unknown: 45 }],
    ["a stop cut by a gap before the threshold is none", [row("06:00", "RUNNING"), row("08:00", "READY"), row("08:01", "UNKNOWN"), row("09:00", "RUNNING")], { production: 390, load_unload: 1, unknown: 59, planned: 30 }],
    ["time before the first state is unknown", [row("08:00", "RUNNING")], { unknown: 120, production: 330, planned: 30 }],
    ["a stop over the break: only its time outside is unplanned", [row("06:00", "RUNNING"), row("09:50", "READY"), row("10:40", "RUNNING")], { production: 430, unplanned: 20, planned: 30 }],
    ["stopped before the shift: the stop begins with it", [row("05:00", "READY"), row("06:20", "RUNNING")], { production: 430, unplanned: 20, planned: 30 }],
  ])("%s", (_name, rows, expected) => expect(categories(early, ...rows)).toEqual(expected));

  it("running through a break: strict keeps it planned, credit makes it production and busy time; no ratio exceeds 1", () => {
    const rows = [row("05:00", "RUNNING")];
    const credit = rulesWith({ calendar: { ...oneShift, breakMode: "credit" } });
    const [strictly] = summaries(early, rows, "14:20");
    const [credited] = summaries(credit, rows, "14:20");
    expect([strictly, credited].map((one) => [minutes(one?.body.categoryMs ?? {}), (one?.body.basisMs.scheduled ?? 0) / MINUTE, one?.body.kpis["in_cycle_utilization"]?.value])).toEqual([
      [{ production: 450, planned: 30 }, 450, 1], [{ production: 480 }, 480, 1],
    ]);
  });
});

describe("what belongs to which shift (records.md §7)", () => {
  const rows = [
    row("05:00", "RUNNING"), row("13:59:59.999", { cycle: "completed" }, { parts: 1 }), row("14:00", { cycle: "aborted" }, { parts: 2 }),
    row("14:00:04", { cycle: "completed", ended: "13:59:59.500" }, { parts: 4, credited: "13:59:59.500" }),
    row("16:00", { cycle: "interrupted" }), row("16:01", { cycle: "unknown" }),
  ];
  it("cycles and parts: to the shift that contains their end, also when told after it", () => {
    expect(summaries(both, rows, "22:30").map((one) => one.body.counts)).toEqual([
      { cycles: 2, completed: 2, aborted: 0, interrupted: 0, unknown: 0, parts: 5 },
      { cycles: 3, completed: 0, aborted: 1, interrupted: 1, unknown: 1, parts: 2 },
    ]);
  });
  it("a downtime counts where it starts, its minutes where they fall", () => {
    const found = summaries(both, [row("05:00", "RUNNING"), row("13:40", "READY"), row("14:30", "RUNNING")], "22:30");
    expect(found.map((one) => one.body.stops)).toEqual([{ n: 1, ms: 20 * MINUTE, microN: 0, microMs: 0 }, { n: 0, ms: 30 * MINUTE, microN: 0, microMs: 0 }]);
    expect(found.map((one) => minutes(one.body.categoryMs)["unplanned"])).toEqual([20, 30]);
  });
  it("running outside shifts is in no summary", () => {
    const found = summaries(early, [row("05:00", "RUNNING"), row("23:00", "READY")], "+1 05:00");
    expect(found.map((one) => [one.body.window.shiftId, minutes(one.body.stateMs)])).toEqual([["A@2026-01-05", { RUNNING: 480 }]]);
  });
});

describe("when it is published", () => {
  const told = (rules: MachineRules, rows: Row[], until: string): unknown[] =>
    play(rules, rows, { until: time(until) }).published.filter(({ record }) => record.type === "summary")
      .map(({ at, record }) => [new Date(at).toISOString().slice(11, 23), record.rev, record.type === "summary" ? record.body.window.shiftId : null]);
  it("once cycles and counts that end in it have been told (a counter's step is confirmed within a minute)", () => {
    expect(told(early, [row("05:00", "RUNNING")], "15:00")).toEqual([["14:01:00.001", 1, "A@2026-01-05"]]);
  });
  it("a stop across its end: once it is known to be no micro-stop", () => {
    expect(told(both, [row("05:00", "RUNNING"), row("13:59", "READY"), row("15:00", "RUNNING")], "15:30")).toEqual([["14:04:00.000", 1, "A@2026-01-05"]]);
  });
  it("or when it is over", () => {
    expect(told(both, [row("05:00", "RUNNING"), row("13:59", "READY"), row("14:03", "RUNNING")], "15:30")).toEqual([["14:03:00.000", 1, "A@2026-01-05"]]);
  });
  it("a reason that comes later moves its minutes in every shift it reaches into (pitfall 31)", () => {
    const site = rulesWith({ calendar: twoShifts, downtime: { reasons: [{ alarm: "BAR", code: "BAR", category: "planned" }] } });
    const rows = [row("05:00", "RUNNING"), row("13:00", "READY"), row("15:00", { raise: "BAR" }), row("16:00", "RUNNING")];
    expect(told(site, rows, "22:30")).toEqual([["14:01:00.001", 1, "A@2026-01-05"], ["15:00:00.000", 2, "A@2026-01-05"], ["22:01:00.001", 1, "B@2026-01-05"]]);
    expect(summaries(site, rows, "22:30").map((one) => minutes(one.body.categoryMs))).toEqual([
      { production: 390, planned: 90 }, { production: 360, planned: 120 },
    ]);
  });
  it("says until then what it holds back, and when to wake it", () => {
    const { states: [, state] } = play(early, [row("06:00", "RUNNING"), row("14:00:10", { tick: true })]);
    expect(summaryDetector.heldBack?.(early, state)).toBe(time("14:00"));
    expect(summaryDetector.wakeAt(early, state)).toBe(time("14:01:00.001"));
  });
});

describe("coverage", () => {
  it("below 0.95 it is provisional; UNKNOWN is in no denominator", () => {
    const [shift] = summaries(early, [row("06:00", "RUNNING"), row("07:00", "UNKNOWN"), row("08:00", "RUNNING")], "14:20");
    expect([shift?.body.coverage, shift?.body.provisional, shift?.body.kpis["in_cycle_utilization"]]).toEqual([0.875, true, { num: 390 * MINUTE, den: 390 * MINUTE, value: 1 }]);
  });
  it("ratios of several shifts add up by their terms; their average would be wrong (pitfall 46)", () => {
    const terms = summaries(both, [row("06:00", "RUNNING"), row("07:00", "READY"), row("14:00", "RUNNING"), row("15:00", "UNKNOWN")], "22:30").map((one) => one.body.kpis["in_cycle_utilization"]);
    expect(terms).toEqual([{ num: 60 * MINUTE, den: 450 * MINUTE, value: 60 / 450 }, { num: 60 * MINUTE, den: 60 * MINUTE, value: 1 }]);
    expect(terms.reduce((sum, one) => sum + (one?.num ?? 0), 0) / terms.reduce((sum, one) => sum + (one?.den ?? 0), 0)).toBeCloseTo(120 / 510, 10);
  });
  it("a shift not seen at all has no ratios: null, not 0 (pitfall 48)", () => {
    const [, unseen] = summaries(both, [row("06:00", "RUNNING"), row("13:00", "UNKNOWN")], "22:30");
    expect([unseen?.body.coverage, unseen?.body.kpis["availability"], minutes(unseen?.body.categoryMs ?? {})]).toEqual([0, { num: 0, den: 0, value: null }, { unknown: 480 }]);
  });
  it.each([[10, 10], [31, 31], [200, 31]])("%i days unseen: %i summaries of them, then one of the day it is seen again", (days, expected) => {
    const rows = [row("06:00", "RUNNING"), row("14:00", "UNKNOWN"), row(`+${days + 1} 06:00`, "READY")];
    const run = play(early, rows, { until: time(`+${days + 1} 14:10`) });
    expect(run.summaries.filter((one) => one.body.coverage === 0)).toHaveLength(expected);
    expect(run.summaries.at(-1)?.body.coverage).toBe(1);
    expect(run.steps).toBeLessThan(80);
  });
});

describe("without a calendar: local dates", () => {
  it.each([
    ["Europe/Paris", "2026-03-28T12:00:00Z", "2026-03-29", "2026-03-28T23:00:00.000Z", 23],
    ["Europe/Paris", "2026-10-24T12:00:00Z", "2026-10-25", "2026-10-24T22:00:00.000Z", 25],
    ["America/Chicago", "2026-03-07T12:00:00Z", "2026-03-08", "2026-03-08T06:00:00.000Z", 23],
    ["America/Chicago", "2026-10-31T12:00:00Z", "2026-11-01", "2026-11-01T05:00:00.000Z", 25],
  ])("%s from %s: %s begins at %s and has %i h (pitfalls 11, 12)", (...[timezone, from, date, start, hours]) => {
    const begin = time(from);
    const { summaries: found } = play(rulesWith({ timezone }), [row(from, "RUNNING")], { until: (begin + 3 * 86_400_000) as typeof begin });
    const day = found.find((one) => one.body.window.shiftId === date)?.body;
    expect([day?.start, day?.durationMs, day?.window.kind, day?.calendarVersion, day?.stateMs]).toEqual([start, hours * 3_600_000, "businessDate", "none", { RUNNING: hours * 3_600_000 }]);
  });
  it("a night shift over the change of the clock adds up to its real length", () => {
    const nights = rulesWith({ timezone: "Europe/Paris", calendar: { ...oneShift, timezone: "Europe/Paris", breaks: [], shifts: [{ code: "N", startMinute: 1320, endMinute: 360, days: DAYS }] } });
    const found = play(nights, [row("2026-10-24T12:00:00Z", "RUNNING"), row("2026-10-25T00:30:00Z", "READY"), row("2026-10-25T01:30:00Z", "RUNNING")], { until: time("2026-10-25T12:00:00Z") }).summaries;
    expect(found.map((one) => [one.body.window.shiftId, minutes(one.body.categoryMs), one.body.utcOffsetMin])).toEqual([["N@2026-10-24", { production: 480, unplanned: 60 }, 120]]);
  });
  it("sums are whole: every summary adds up to its window", () => {
    for (const one of summaries(plain, [row("06:00", "RUNNING"), row("07:00:00.123", "READY"), row("09:00:00.001", "UNKNOWN"), row("+1 03:00:00.777", "RUNNING")], "+3 06:00")) {
      expect([total(one.body.stateMs), total(one.body.categoryMs)]).toEqual([one.body.durationMs, one.body.durationMs]);
    }
  });
});
