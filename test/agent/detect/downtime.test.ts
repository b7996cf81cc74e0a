import { describe, expect, it } from "vitest";
import { RECORD_BODIES } from "../../../agent/contract/record.ts";
import type { CalendarRules } from "../../../agent/contract/rules.ts";
import { downtimeDetector } from "../../../agent/detect/downtime.ts";
import { matchesGlob } from "../../../agent/detect/glob.ts";
import { line, MINUTE, play, row, rulesWith, time } from "./stops-run.ts";

const DAYS = ["mon", "tue", "wed", "thu", "fri"] as const;
/** Two adjacent shifts, a meal break in each. */
const twoShifts: CalendarRules = {
  name: "two-shift", version: "c1", timezone: "UTC", exceptions: [], breakMode: "strict",
  shifts: [{ code: "A", startMinute: 360, endMinute: 840, days: DAYS }, { code: "B", startMinute: 840, endMinute: 1320, days: DAYS }],
  breaks: [{ name: "meal", startMinute: 600, endMinute: 630, days: DAYS }, { name: "meal", startMinute: 1080, endMinute: 1110, days: DAYS }],
};
const rules = rulesWith();
const shifts = rulesWith({ calendar: twoShifts });
const lines = (...args: Parameters<typeof play>): string[] => play(...args).downtimes.map(line);

describe("when a stop is a downtime (threshold 2 min, micro under 5 min)", () => {
  it.each([
    ["no longer than the allowance: load and unload (pitfall 30)", [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:12", "RUNNING")], []],
    ["one millisecond longer", [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:12:00.001", "RUNNING")], ["08:10:00-08:12:00 micro - running rev 2"]],
    ["under the micro-stop limit (pitfall 30)", [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:14:59.999", "RUNNING")], ["08:10:00-08:14:59 micro - running rev 2"]],
    ["at the limit", [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:15", "RUNNING")], ["08:10:00-08:15:00 unplanned - running rev 2"]],
    ["still open", [row("08:00", "RUNNING"), row("08:10", "READY"), row("09:00", { tick: true })], ["08:10:00-… unplanned - open rev 1"]],
    ["several states are one stop, with the first", [row("08:00", "RUNNING"), row("08:10", "HELD"), row("08:11", "ALARM"), row("08:20", "READY"), row("08:30", "RUNNING")], ["08:10:00-08:30:00 unplanned - running rev 2"]],
    ["a held cycle is a stop too", [row("08:00", "RUNNING"), row("08:10", "HELD"), row("08:20", "RUNNING")], ["08:10:00-08:20:00 unplanned - running rev 2"]],
    ["WAITING has not left RUNNING", [row("08:00", "RUNNING"), row("08:10", "WAITING"), row("08:40", "RUNNING")], []],
    ["WAITING ends a stop", [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:20", "WAITING"), row("08:40", "RUNNING")], ["08:10:00-08:20:00 unplanned - waiting rev 2"]],
    ["found stopped at the first look", [row("08:00", "READY"), row("08:10", "RUNNING")], ["08:00:00-08:10:00 unplanned - running rev 2"]],
  ])("%s", (_name, rows, expected) => expect(lines(rules, rows)).toEqual(expected));

  it("WAITING counts where the site says so", () => {
    const strict = rulesWith({ downtime: { waitingCounts: true } });
    expect(lines(strict, [row("08:00", "RUNNING"), row("08:10", "WAITING"), row("08:40", "RUNNING")])).toEqual(["08:10:00-08:40:00 unplanned - running rev 2"]);
  });

  it("opens one millisecond past the threshold, always under the same id, dated where the machine stopped", () => {
    const { published } = play(rules, [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:30", "RUNNING")]);
    expect(published.map(({ at, record }) => [at, record.rev, record.start])).toEqual([
      [time("08:12:00.001"), 1, time("08:10")], [time("08:30"), 2, time("08:10")],
    ]);
    expect(new Set(published.map(({ record }) => record.id)).size).toBe(1);
  });

  it("its body is what the contract says", () => {
    for (const { record } of play(shifts, [row("09:00", "RUNNING"), row("09:50", { raise: "1021" }, "ALARM"), row("10:40", "RUNNING")]).published) {
      expect(RECORD_BODIES.downtime.read(record.body, [], [])).toEqual(record.body);
    }
  });
});

describe("unknown is never downtime (pitfall 10)", () => {
  it.each([
    ["a gap in a downtime ends it at the gap's start; the next one is linked",
      [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:20", "UNKNOWN"), row("08:50", "READY"), row("09:00", "RUNNING")],
      ["08:10:00-08:20:00 unplanned - source_lost rev 2", "08:50:00-09:00:00 unplanned - running rev 2"]],
    ["a stop cut before the threshold is not invented",
      [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:11:30", "UNKNOWN"), row("08:20", "READY"), row("08:21", "RUNNING")], []],
    ["nothing while the machine is not seen", [row("08:00", "RUNNING"), row("08:10", "UNKNOWN"), row("09:00", "RUNNING")], []],
    ["the rest of a long stop is no micro-stop, and a gap makes none",
      [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:13", "UNKNOWN"), row("08:14", "READY"), row("08:17", "RUNNING")],
      ["08:10:00-08:13:00 unplanned - source_lost rev 2", "08:14:00-08:17:00 unplanned - running rev 2"]],
  ])("%s", (_name, rows, expected) => expect(lines(rules, rows)).toEqual(expected));

  it("links over the gap, not over a run", () => {
    const [first, second, third] = play(rules, [
      row("08:00", "READY"), row("08:20", "UNKNOWN"), row("08:50", "READY"), row("09:00", "RUNNING"), row("09:10", "UNKNOWN"), row("09:20", "READY"), row("09:30", "RUNNING"),
    ]).downtimes;
    expect(first?.body.continues).toBeNull();
    expect(second?.body.continues).toBe(first?.id);
    expect(third?.body.continues).toBeNull();
  });
});

describe("scheduled time", () => {
  it.each([
    ["outside shifts there is no downtime", [row("04:00", "RUNNING"), row("04:10", "READY"), row("05:50", "RUNNING")], []],
    ["it begins with scheduled time", [row("05:00", "READY"), row("06:30", "RUNNING")], ["06:00:00-06:30:00 unplanned - running rev 2"]],
    ["adjacent shifts are one stop", [row("13:00", "RUNNING"), row("13:50", "READY"), row("14:20", "RUNNING")], ["13:50:00-14:20:00 unplanned - running rev 2"]],
    ["the last shift's end ends it; the next morning goes on from it",
      [row("21:00", "RUNNING"), row("21:30", "READY"), row("+1 06:20", "RUNNING")],
      ["21:30:00-22:00:00 unplanned - schedule_end rev 2", "06:00:00-06:20:00 unplanned - running rev 2"]],
    ["a stop that reaches the shift's end before the threshold is none", [row("21:00", "RUNNING"), row("21:58", "READY"), row("+1 05:00", "RUNNING")], []],
    ["exactly the threshold left in the shift is none, one more millisecond is",
      [row("21:00", "RUNNING"), row("21:57:59.999", "READY"), row("+1 05:00", "RUNNING")], ["21:57:59-22:00:00 micro - schedule_end rev 2"]],
  ])("%s", (_name, rows, expected) => expect(lines(shifts, rows)).toEqual(expected));

  it("the next morning is linked, unless the machine ran in the night", () => {
    const still = play(shifts, [row("21:30", "READY"), row("+1 06:20", "RUNNING")]).downtimes;
    expect(still[1]?.body.continues).toBe(still[0]?.id);
    const ran = play(shifts, [row("21:30", "READY"), row("23:00", "RUNNING"), row("+1 01:00", "READY"), row("+1 06:20", "RUNNING")]).downtimes;
    expect(ran.map((one) => one.body.continues)).toEqual([null, null]);
  });

  it("segments share it between shifts and breaks, and add up", () => {
    const [stop] = play(shifts, [row("09:00", "RUNNING"), row("09:50", "READY"), row("14:20", "RUNNING")]).downtimes;
    expect(stop?.body.segments.map((one) => [one.shiftId, one.from.slice(11, 16), one.to.slice(11, 16), one.ms / MINUTE, one.planned])).toEqual([
      ["A@2026-01-05", "09:50", "10:00", 10, false], ["A@2026-01-05", "10:00", "10:30", 30, true],
      ["A@2026-01-05", "10:30", "14:00", 210, false], ["B@2026-01-05", "14:00", "14:20", 20, false],
    ]);
    expect(stop?.body.segments.reduce((sum, one) => sum + one.ms, 0)).toBe(stop?.body.durationMs);
  });

  it("without a calendar the only segment names no shift; an open one has none", () => {
    const { published } = play(rules, [row("08:00", "READY"), row("08:10", "RUNNING")]);
    expect(published.map(({ record }) => record.type === "downtime" && record.body.segments.map((one) => [one.shiftId, one.ms]))).toEqual([[], [[null, 10 * MINUTE]]]);
  });

  it("a stop of a year over shifts and breaks stays within the contract's thousand segments and still adds up", () => {
    const [stop] = play(rulesWith({ calendar: { ...twoShifts, shifts: [...twoShifts.shifts, { code: "C", startMinute: 1320, endMinute: 360, days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] }, { code: "W", startMinute: 360, endMinute: 1320, days: ["sat", "sun"] }] } }),
      [row("06:00", "READY"), row("2027-01-05T06:00:00Z", "RUNNING")]).downtimes;
    expect(stop?.body.segments).toHaveLength(1000);
    expect(stop?.body.segments.reduce((sum, one) => sum + one.ms, 0)).toBe(stop?.body.durationMs);
  });
});

describe("planned breaks", () => {
  it.each([
    ["a stop for the break is planned", [row("09:00", "RUNNING"), row("10:00", "READY"), row("10:30", "RUNNING")], ["10:00:00-10:30:00 planned meal running rev 2"]],
    ["a minute early and a minute late is within the allowance", [row("09:00", "RUNNING"), row("09:59", "READY"), row("10:31", "RUNNING")], ["09:59:00-10:31:00 planned meal running rev 2"]],
    ["one that overruns it becomes unplanned, under the same id", [row("09:00", "RUNNING"), row("10:00", "READY"), row("10:40", "RUNNING")], ["10:00:00-10:40:00 unplanned - running rev 3"]],
    ["one that was a downtime before the break is not excused", [row("09:00", "RUNNING"), row("09:50", "READY"), row("10:30", "RUNNING")], ["09:50:00-10:30:00 unplanned - running rev 2"]],
  ])("%s", (_name, rows, expected) => expect(lines(shifts, rows)).toEqual(expected));

  it("the overrun is told at the moment it exceeds the allowance", () => {
    const { published } = play(shifts, [row("09:00", "RUNNING"), row("10:00", "READY"), row("10:40", { tick: true })]);
    const told = published.flatMap(({ at, record }) => (record.type === "downtime" ? [[at, record.body.category, record.body.reasonSource]] : []));
    expect(told).toEqual([[time("10:02:00.001"), "planned", "calendar"], [time("10:32:00.001"), "unplanned", "none"]]);
  });
});

describe("reasons", () => {
  const site = rulesWith({ downtime: { reasons: [
    { state: "ESTOP", code: "E-STOP", category: "unplanned" },
    { alarm: "10??", code: "SPINDLE", text: "Spindle drive" },
    { alarm: "*bar end*", code: "BAR", text: "Bar change", category: "planned" },
    { state: "MANUAL", code: "SETUP", category: "setup" },
    { state: "HELD", code: "HOLD" },
  ] } });

  it.each([
    ["by state", [row("08:00", "RUNNING"), row("08:10", "ESTOP"), row("08:30", "RUNNING")], ["08:10:00-08:30:00 unplanned E-STOP running rev 2"]],
    ["by alarm number", [row("08:00", "RUNNING"), row("08:10", "ALARM", { raise: "1021" }), row("08:30", "RUNNING")], ["08:10:00-08:30:00 unplanned SPINDLE running rev 2"]],
    ["by alarm text, capitals aside, with its category", [row("08:00", "RUNNING"), row("08:10", "READY", { raise: "7", text: "BAR END REACHED" }), row("08:30", "RUNNING")], ["08:10:00-08:30:00 planned BAR running rev 2"]],
    ["setup", [row("08:00", "RUNNING"), row("08:10", "MANUAL"), row("08:50", "RUNNING")], ["08:10:00-08:50:00 setup SETUP running rev 2"]],
    ["later, as a revision (pitfall 31)", [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:20", { raise: "1021" }), row("08:30", "RUNNING")], ["08:10:00-08:30:00 unplanned SPINDLE running rev 3"]],
    ["a later fact replaces it only by a rule that stands higher", [row("08:00", "RUNNING"), row("08:10", "HELD"), row("08:20", "MANUAL"), row("08:25", "HELD"), row("08:30", "RUNNING")], ["08:10:00-08:30:00 setup SETUP running rev 3"]],
    ["none fits: unassigned", [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:30", "RUNNING")], ["08:10:00-08:30:00 unplanned - running rev 2"]],
    ["an alarm that has cleared before the stop is not its reason", [row("08:00", "RUNNING"), row("08:05", { raise: "1021" }), row("08:06", { clear: "1021" }), row("08:10", "READY"), row("08:30", "RUNNING")], ["08:10:00-08:30:00 unplanned - running rev 2"]],
    ["a micro-stop keeps its reason but is not asked about", [row("08:00", "RUNNING"), row("08:10", "HELD"), row("08:13", "RUNNING")], ["08:10:00-08:13:00 micro HOLD running rev 2"]],
  ])("%s", (_name, rows, expected) => expect(lines(site, rows)).toEqual(expected));

  it("says who gave it and when", () => {
    const body = play(site, [row("08:00", "RUNNING"), row("08:10", "READY"), row("08:20", { raise: "1021" }), row("08:30", "RUNNING")]).downtimes[0]?.body;
    expect([body?.reasonText, body?.reasonSource, body?.reasonAt, body?.firstAlarm]).toEqual(["Spindle drive", "rule", "2026-01-05T08:20:00.000Z", { alarmId: "1021", recordId: "alarm-1021" }]);
  });

  it("the first alarm: a fault that stands when it stops, or the first raised in it; not a warning of long before", () => {
    const first = (...facts: Parameters<typeof row>[1][]): string | undefined => play(rules, [
      row("08:00", "RUNNING"), row("08:05", ...facts), row("08:10", "READY"), row("08:11", { raise: "300" }), row("08:12", { raise: "301" }), row("08:30", "RUNNING"),
    ]).downtimes[0]?.body.firstAlarm?.alarmId;
    expect(first({ raise: "1021" })).toBe("1021");
    expect(first({ raise: "510", warning: true })).toBe("300");
  });

  it.each([["10??", "1021", true], ["10??", "102", false], ["*", "", true], ["*A*B", "xaxb", true], ["a*b", "acbd", false], ["", "", true], ["?", "", false], ["*a*a*a*b", "a".repeat(5000), false]])(
    "glob %s on %s", (pattern, text, expected) => expect(matchesGlob(pattern, text)).toBe(expected));
});

describe("what the shell needs to know", () => {
  it("wakes one millisecond past the threshold and says what may still come", () => {
    const { states: [state] } = play(rules, [row("08:00", "RUNNING"), row("08:10", "READY")]);
    expect(downtimeDetector.wakeAt(rules, state)).toBe(time("08:12:00.001"));
    expect(downtimeDetector.heldBack?.(rules, state)).toBe(time("08:12:00.001"));
    const { states: [running] } = play(rules, [row("08:00", "RUNNING")]);
    expect(downtimeDetector.wakeAt(rules, running)).toBeNull();
    expect(downtimeDetector.heldBack?.(rules, running)).toBeNull();
  });
  it("waits for the debounce of sources without stamps before time alone decides", () => {
    const slow = rulesWith({ minimumMs: 500 });
    const { states: [state] } = play(slow, [row("08:00", "RUNNING"), row("08:10", "READY")]);
    expect(downtimeDetector.wakeAt(slow, state)).toBe(time("08:12:00.502"));
  });
});
