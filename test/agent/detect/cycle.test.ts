/** When a cycle begins and ends, how it went, and what its time was made of. */
import { describe, expect, test } from "vitest";
import { cycles, fault, gap, play, rulesWith, secondsOf, snapshot, states, tick, warning, type Row } from "../../support/timeline.ts";

const on = { availability: "AVAILABLE", execution: "READY", controller_mode: "AUTOMATIC", emergency_stop: "ARMED", program: "O100" };
const ACTIVE = { execution: "ACTIVE" };
const READY = { execution: "READY" };
const HOLD = { execution: "FEED_HOLD" };
const STOPPED = { execution: "STOPPED" };
const COMPLETED = { execution: "PROGRAM_COMPLETED" };
const run = (...rows: Row[]): string[] => cycles(play([[0, on], [10, ACTIVE], ...rows]));

describe("what ends a cycle", () => {
  test.each<[string, Row[], string]>([
    ["program completed, shown for a quarter of a second", [[70, COMPLETED], [70.25, READY]], "10 70 completed program_completed 1"],
    ["completed and ready in one stamp", [[70, { execution: "PROGRAM_COMPLETED" }], [70, READY]], "10 70 completed program_completed 1"],
    ["ready straight from active, on a control that never says completed", [[70, READY]], "10 70 completed ready 1"],
    ["stopped", [[70, STOPPED]], "10 70 aborted stopped 0"],
    ["reset out of a hold", [[60, HOLD], [70, READY]], "10 70 interrupted ready 0"],
    ["emergency stop", [[70, { emergency_stop: "TRIGGERED" }]], "10 70 aborted emergency_stop 0"],
    ["emergency stop while held", [[60, HOLD], [70, { emergency_stop: "TRIGGERED" }]], "10 70 aborted emergency_stop 0"],
    ["a fault, when execution stops by it", [[69, { alarm: [fault("401")] }], [70, STOPPED]], "10 70 aborted fault 0"],
    ["leaving automatic while active", [[70, { controller_mode: "MANUAL_DATA_INPUT" }]], "10 70 aborted mode_changed 0"],
    ["power off", [[70, { power_state: "OFF", execution: null }]], "10 70 aborted power_off 0"],
    ["source lost", [[70, gap("link-down")]], "10 70 unknown source_lost 0"],
    ["source unavailable", [[70, { availability: "UNAVAILABLE" }]], "10 70 unknown source_lost 0"],
    ["a word that we do not know", [[70, { execution: "WHIRLING" }]], "10 70 unknown source_lost 0"],
  ])("%s", (_, rows, cycle) => {
    expect(run(...rows)).toEqual([cycle]);
  });

  test("main program changes while active: one ends and the next begins, at its stamp", () => {
    expect(run([70, { program: "O200" }], [130, READY])).toEqual(["10 70 unknown program_changed 0", "70 130 completed ready 1"]);
  });
  test("ready and active again within one stamp are two cycles", () => {
    const rows: Row[] = [[0, on], [10, ACTIVE], [70, READY], [70, ACTIVE], [130, READY]];
    expect(cycles(play(rows))).toEqual(["10 70 completed ready 1", "70 130 completed ready 1"]);
  });
  test("a control that says completed elsewhere was reset when it shows ready without it", () => {
    expect(run([70, COMPLETED], [71, READY], [80, ACTIVE], [100, READY])).toEqual(["10 70 completed program_completed 1", "80 100 aborted ready 0"]);
  });
  test("completed that comes after ready still counts", () => {
    expect(run([70, COMPLETED], [71, READY], [80, ACTIVE], [100, READY], [100.3, COMPLETED])).toEqual(["10 70 completed program_completed 1", "80 100 completed ready 1"]);
  });
  test("a fault that was there all along ends nothing", () => {
    expect(cycles(play([[0, { ...on, alarm: [fault("7")] }], [10, ACTIVE], [70, READY]]))).toEqual(["10 70 completed ready 1"]);
  });
});

describe("what does not end it", () => {
  test.each<[string, Row[], { heldMs: number; inCycleMs: number }]>([
    ["feed hold", [[20, HOLD], [25, ACTIVE], [70, COMPLETED]], { heldMs: 5_000, inCycleMs: 55_000 }],
    ["pitfall 24: M00 for inspection", [[20, { execution: "PROGRAM_STOPPED" }], [50, ACTIVE], [70, COMPLETED]], { heldMs: 30_000, inCycleMs: 30_000 }],
    ["pitfall 24: M01", [[20, { execution: "OPTIONAL_STOP" }], [50, ACTIVE], [70, COMPLETED]], { heldMs: 30_000, inCycleMs: 30_000 }],
    ["interrupted", [[20, { execution: "INTERRUPTED" }], [21, ACTIVE], [70, COMPLETED]], { heldMs: 1_000, inCycleMs: 59_000 }],
    ["waiting for the bar feeder", [[20, { execution: "WAIT" }], [30, ACTIVE], [70, COMPLETED]], { heldMs: 10_000, inCycleMs: 50_000 }],
    ["a fault while held", [[20, HOLD], [21, { alarm: [fault("5")] }], [29, { alarm: [] }], [30, ACTIVE], [70, COMPLETED]], { heldMs: 10_000, inCycleMs: 50_000 }],
    ["a change of mode while held", [[20, HOLD], [21, { controller_mode: "MANUAL" }], [29, { controller_mode: "AUTOMATIC" }], [30, ACTIVE], [70, COMPLETED]], { heldMs: 10_000, inCycleMs: 50_000 }],
    ["semi-automatic", [[20, { controller_mode: "SEMI_AUTOMATIC" }], [70, COMPLETED]], { heldMs: 0, inCycleMs: 60_000 }],
    ["pitfall 20: a sub-program", [[20, { subprogram: "O9001" }], [21, { subprogram: "O100" }], [70, COMPLETED]], { heldMs: 0, inCycleMs: 60_000 }],
    ["a program name that goes blank or unavailable and comes back", [[20, { program: " " }], [21, { program: null }], [22, { program: "O100" }], [70, COMPLETED]], { heldMs: 0, inCycleMs: 60_000 }],
    ["a fault that does not stop execution", [[20, { alarm: [fault("5")] }], [40, { alarm: [] }], [70, COMPLETED]], { heldMs: 0, inCycleMs: 60_000 }],
  ])("%s", (_, rows, sums) => {
    expect(play([[0, on], [10, ACTIVE], ...rows]).of("cycle")).toMatchObject([{ cycleElapsedMs: 60_000, unknownMs: 0, outcome: "completed", ...sums }]);
  });
  test("a fault while held shows as ALARM, and the cycle goes on", () => {
    const played = play([[0, on], [10, ACTIVE], [20, HOLD], [21, { alarm: [fault("5")] }], [29, { alarm: [] }], [30, ACTIVE], [70, COMPLETED]]);
    expect(states(played)).toEqual(["READY 0 10", "RUNNING 10 20", "HELD 20 21", "ALARM 21 29", "HELD 29 30", "RUNNING 30 70", "READY 70 …"]);
    expect(played.of("cycle")[0]?.alarmIds).toEqual([played.of("alarm")[0]?.id]);
  });
});

describe("how it began", () => {
  test("sub-program and comment of the same instant name it, though they come after", () => {
    const played = play([[0, on], [5, { subprogram: "O9001", program_comment: "PROBE" }], [10, ACTIVE], [10, { subprogram: "O7", program_comment: "OP 10" }], [20, { subprogram: "O8" }], [30, READY]]);
    expect(played.of("cycle")[0]?.program).toEqual({ main: "O100", active: "O7", comment: "OP 10" });
  });
  test("found running: the start was not seen", () => {
    expect(play([[0, snapshot({ ...on, execution: "ACTIVE" })], [30, READY]]).of("cycle")).toMatchObject([{ startObserved: false, cycleElapsedMs: 30_000, timing: { kind: "inferred" } }]);
  });
  test("found held, then running: not seen either", () => {
    expect(play([[0, snapshot({ ...on, execution: "INTERRUPTED" })], [5, ACTIVE], [30, READY]]).of("cycle")).toMatchObject([{ startObserved: false, cycleElapsedMs: 25_000 }]);
  });
  test("an equal ACTIVE before and after a gap is not one cycle", () => {
    const played = play([[0, on], [10, ACTIVE], [20, gap("link-down")], [80, snapshot({ ...on, execution: "ACTIVE" })], [100, READY]]);
    expect(cycles(played)).toEqual(["10 20 unknown source_lost 0", "80 100 completed ready 1"]);
    expect(played.of("cycle").map(({ startObserved, gapBeforeMs }) => [startObserved, gapBeforeMs])).toEqual([[true, null], [false, null]]);
  });
  test("an MDI run opens none", () => {
    expect(cycles(play([[0, { ...on, controller_mode: "MANUAL_DATA_INPUT" }], [10, ACTIVE], [20, READY]]))).toEqual([]);
  });
  test("switched to automatic while active: begins then", () => {
    expect(cycles(play([[0, { ...on, controller_mode: "MANUAL" }], [10, ACTIVE], [20, { controller_mode: "AUTOMATIC" }], [30, READY]]))).toEqual(["20 30 completed ready 1"]);
  });
  test("load and unload time: from end to start, none after a stop", () => {
    const played = play([[0, on], [10, ACTIVE], [70, READY], [90, ACTIVE], [150, READY], [300, ACTIVE], [360, READY]]);
    expect(played.of("cycle").map(({ gapBeforeMs }) => gapBeforeMs)).toEqual([null, 20_000, null]);
  });
  test("the program told a moment after the start names the cycle", () => {
    const { program: _, ...bare } = on;
    expect(play([[0, bare], [10, ACTIVE], [10.2, { program: "O7" }], [70, READY]]).of("cycle")).toMatchObject([{ program: { main: "O7" }, cycleElapsedMs: 60_000 }]);
  });
});

describe("kinds and restarts", () => {
  const rules = rulesWith({ cycle: { programs: [{ match: "WARM*", kind: "warmup" }, { match: "O9???", kind: "probe" }, { match: "TWIN", kind: "production", partsPerCycle: 2 }] } });
  test.each([["WARMUP-1", "warmup", 0], ["O9001", "probe", 0], ["O90011", "production", 1], ["TWIN", "production", 2], ["warm.nc", "warmup", 0]])(
    "pitfall 22: %s is %s and makes %i", (program, cycleKind, partsDelta) => {
      expect(play([[0, { ...on, program }], [10, ACTIVE], [70, COMPLETED]], rules).of("cycle")).toMatchObject([{ cycleKind, partsDelta, partsExpected: partsDelta }]);
    });
  test("a cycle shorter than the least is of unknown kind and makes no parts", () => {
    expect(play([[0, on], [10, ACTIVE], [12, COMPLETED], [20, ACTIVE], [70, COMPLETED]], rulesWith({ cycle: { minimumMs: 5_000 } })).of("cycle"))
      .toMatchObject([{ cycleKind: "unknown", partsDelta: 0, partsExpected: 0 }, { cycleKind: "production", partsDelta: 1 }]);
  });
  test("pitfall 21: a restart of the same part names the cycle it goes on from; quantity once", () => {
    const played = play([[0, on], [10, ACTIVE], [40, STOPPED], [60, ACTIVE], [120, COMPLETED]]);
    const [first, second] = played.of("cycle");
    expect([first?.partsDelta, second?.partsDelta, second?.restartOf, first?.restartOf]).toEqual([0, 1, first?.id, null]);
  });
  test("too late, or another program, is no restart", () => {
    expect(play([[0, on], [10, ACTIVE], [40, STOPPED], [700, ACTIVE], [760, COMPLETED]]).of("cycle")[1]?.restartOf).toBeNull();
    expect(play([[0, on], [10, ACTIVE], [40, STOPPED], [50, { program: "O2" }], [60, ACTIVE], [120, COMPLETED]]).of("cycle")[1]?.restartOf).toBeNull();
  });
});

describe("measures", () => {
  test("pitfall 48: what is not reported is null, never 0", () => {
    expect(play([[0, on], [10, ACTIVE], [70, READY]]).of("cycle")).toMatchObject([{ spindle: null, toolChanges: null, counter: null }]);
  });
  test("spindle time inside the cycle, by its own stamps", () => {
    const rows: Row[] = [[0, { ...on, spindle_speed: 0 }], [10, ACTIVE], [15, { spindle_speed: 4000 }], [20, HOLD], [30, ACTIVE], [50, { spindle_speed: -3 }], [60, { spindle_speed: 500 }], [70, READY]];
    expect(play(rows).of("cycle")).toMatchObject([{ spindle: { onMs: 35_000, cutMs: null, method: "spindle_on" } }]);
  });
  test("a spindle speed lost during the cycle makes its time unknown", () => {
    expect(play([[0, { ...on, spindle_speed: 100 }], [10, ACTIVE], [20, { spindle_speed: null }], [30, { spindle_speed: 100 }], [70, READY]]).of("cycle")).toMatchObject([{ spindle: null }]);
  });
  test("tool changes", () => {
    expect(play([[0, { ...on, tool: "1" }], [10, ACTIVE], [20, { tool: "2" }], [40, { tool: 3 }], [41, { tool: "3" }], [70, READY], [71, { tool: "1" }]]).of("cycle")).toMatchObject([{ toolChanges: 2 }]);
    expect(play([[0, { ...on, tool: "1" }], [10, ACTIVE], [20, { tool: null }], [40, { tool: "2" }], [70, READY]]).of("cycle")).toMatchObject([{ toolChanges: null }]);
  });
  test("pitfall 49: two paths, one part, one cycle", () => {
    const both = { ...on, "execution/2": "READY", "controller_mode/2": "AUTOMATIC", "program/2": "O200" };
    const played = play([[0, both], [10, ACTIVE], [12, { "execution/2": "ACTIVE" }], [60, COMPLETED], [60.2, READY], [70, { "execution/2": "READY", "program/2": "O300" }]]);
    expect(played.of("cycle")).toMatchObject([{ paths: ["1", "2"], cycleElapsedMs: 60_000, program: { main: "O100" } }]);
  });
  test("alarms raised during the cycle, not before", () => {
    const played = play([[0, { ...on, "alarm:a": [warning("1")] }], [10, ACTIVE], [20, { "alarm:b": [warning("2")] }], [70, READY], [75, { "alarm:c": [warning("3")] }]]);
    expect(played.of("cycle")[0]?.alarmIds).toEqual([played.of("alarm")[1]?.id]);
  });
});

describe("published once", () => {
  test("without a part counter at its end", () => {
    const played = play([[0, on], [10, ACTIVE], [70, READY]], undefined, { settle: 0 });
    expect(played.revisions.filter(({ type }) => type === "cycle")).toHaveLength(1);
  });
  test("with one when counter_join has passed, whatever comes first", () => {
    const rows: Row[] = [[0, { ...on, part_count: 4 }], [10, ACTIVE], [70, READY]];
    expect(play([...rows, [75, tick]], undefined, { settle: 0 }).of("cycle")).toEqual([]);
    expect(play([...rows, [75.001, tick]], undefined, { settle: 0 }).of("cycle")).toMatchObject([{ rev: 1, durationMs: 60_000 }]);
    expect(play([...rows, [300, ACTIVE]], undefined, { settle: 0 }).of("cycle").map(({ end }) => secondsOf(end))).toEqual([70]);
  });
  test("a cycle without length is none", () => {
    expect(run([10, READY])).toEqual([]);
  });
});
