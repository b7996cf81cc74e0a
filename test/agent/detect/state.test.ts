/** What the machine was doing, from what the source said: precedence, tiling, gaps. */
import { describe, expect, test } from "vitest";
import { fault, gap, play, rulesWith, snapshot, states, warning, type Row } from "../../support/timeline.ts";

const auto = { controller_mode: "AUTOMATIC" };
const ready = { execution: "READY", ...auto, availability: "AVAILABLE", emergency_stop: "ARMED" };

describe("one set of values, one state", () => {
  test.each<[string, Parameters<typeof snapshot>[0], string]>([
    ["executing in automatic", { ...ready, execution: "ACTIVE" }, "RUNNING"],
    ["semi-automatic counts as automatic", { ...ready, execution: "ACTIVE", controller_mode: "SEMI_AUTOMATIC" }, "RUNNING"],
    ["waiting for a robot", { ...ready, execution: "WAIT" }, "WAITING"],
    ["found in feed hold", { ...ready, execution: "FEED_HOLD" }, "HELD"],
    ["found interrupted", { ...ready, execution: "INTERRUPTED" }, "HELD"],
    ["found at M00", { ...ready, execution: "PROGRAM_STOPPED" }, "PROGRAM_STOP"],
    ["found at M01", { ...ready, execution: "OPTIONAL_STOP" }, "PROGRAM_STOP"],
    ["ready", ready, "READY"],
    ["stopped without a reason", { ...ready, execution: "STOPPED" }, "READY"],
    ["completed", { ...ready, execution: "PROGRAM_COMPLETED" }, "READY"],
    ["jog", { ...ready, controller_mode: "MANUAL" }, "MANUAL"],
    ["an MDI run is manual, not running", { ...ready, execution: "ACTIVE", controller_mode: "MANUAL_DATA_INPUT" }, "MANUAL"],
    ["editing", { ...ready, controller_mode: "EDIT" }, "MANUAL"],
    ["a fault while not executing", { ...ready, alarm: [fault("100")] }, "ALARM"],
    ["a fault while executing does not stop it", { ...ready, execution: "ACTIVE", alarm: [fault("100")] }, "RUNNING"],
    ["a warning blocks nothing", { ...ready, alarm: [warning("100")] }, "READY"],
    ["a fault outranks manual", { ...ready, controller_mode: "MANUAL", alarm: [fault("100")] }, "ALARM"],
    ["emergency stop outranks executing", { ...ready, execution: "ACTIVE", emergency_stop: "TRIGGERED" }, "ESTOP"],
    ["execution unavailable", { ...ready, execution: null }, "UNKNOWN"],
    ["an availability that never was anything but unavailable has no source behind it", { ...ready, availability: null }, "READY"],
    ["power off is known, not unknown", { ...ready, execution: null, power_state: "OFF" }, "OFF"],
    ["nothing about execution", { availability: "AVAILABLE" }, "UNKNOWN"],
    ["a mode that never was anything but unavailable is no mode", { execution: "ACTIVE", controller_mode: null }, "RUNNING"],
    ["a second path that never lived is no path", { ...ready, "execution/2": null, "controller_mode/2": null, "part_count/2": 0 }, "READY"],
    ["any path that runs", { ...ready, "execution/2": "ACTIVE", "controller_mode/2": "AUTOMATIC" }, "RUNNING"],
    ["emergency stop on any path", { ...ready, execution: "ACTIVE", "emergency_stop/2": "TRIGGERED" }, "ESTOP"],
    ["an alarm on any path", { ...ready, "alarm/2": [fault("7")] }, "ALARM"],
    ["a main path in manual beside one that is ready", { ...ready, controller_mode: "MANUAL", "execution/2": "READY" }, "MANUAL"],
  ])("%s", (_, values, state) => {
    expect(states(play([[0, values]]))).toEqual([`${state} 0 …`]);
  });

  test("a word for execution that we do not know is UNKNOWN", () => {
    expect(states(play([[0, { ...ready, execution: "DANCING" }]]))).toEqual(["UNKNOWN 0 …"]);
  });
});

test("availability lost: unknown at once and until it is back; what execution says meanwhile counts then", () => {
  const rows: Row[] = [[0, ready], [10, { availability: null }], [20, { execution: "ACTIVE" }], [30, { availability: "AVAILABLE" }], [40, { execution: "READY" }]];
  expect(states(play(rows))).toEqual(["READY 0 10", "UNKNOWN 10 30", "RUNNING 30 40", "READY 40 …"]);
});

describe("states tile time", () => {
  const rows: Row[] = [
    [0, ready], [10, { execution: "ACTIVE" }], [20.5, { execution: "FEED_HOLD" }], [21, { execution: "ACTIVE" }],
    [30, { execution: "PROGRAM_COMPLETED" }], [30.25, { execution: "READY" }], [40, { execution: "FEED_HOLD" }], [50, { controller_mode: "MANUAL" }],
  ];
  test("to the source's millisecond; a hold outside a cycle is READY", () => {
    expect(states(play(rows))).toEqual(["READY 0 10", "RUNNING 10 20.5", "HELD 20.5 21", "RUNNING 21 30", "READY 30 50", "MANUAL 50 …"]);
  });
  test("mode and execution that change at one stamp are decided together", () => {
    expect(states(play([[0, ready], [5, { execution: "ACTIVE", controller_mode: "MANUAL_DATA_INPUT" }]]))).toEqual(["READY 0 5", "MANUAL 5 …"]);
  });
  test("the rest of one instant may come later: the open state is revised, none is empty", () => {
    const played = play([[0, ready], [5, { execution: "ACTIVE" }], [5, { controller_mode: "MANUAL_DATA_INPUT" }], [9, auto]]);
    expect(states(played)).toEqual(["READY 0 5", "MANUAL 5 9", "RUNNING 9 …"]);
    expect(played.of("state")[1]).toMatchObject({ rev: 3, triggers: ["execution", "controller_mode"], prevState: "READY" });
  });
  test("each names the state before, its mode, its source values and what brought it", () => {
    expect(play(rows).of("state")[1]).toMatchObject({
      prevState: "READY", mode: "auto", triggers: ["execution"], raw: { execution: "ACTIVE", controller_mode: "AUTOMATIC", availability: "AVAILABLE" }, utcOffsetMin: 60, flapCount: 0,
    });
  });
});

describe("not known is never idle", () => {
  test("pitfall 10: an UNAVAILABLE source is UNKNOWN, with a gap that says why", () => {
    const played = play([[0, { ...ready, execution: "ACTIVE" }], [60, { availability: "UNAVAILABLE", execution: null, controller_mode: null }], [90, { ...ready, execution: "ACTIVE" }]]);
    expect(states(played)).toEqual(["RUNNING 0 60", "UNKNOWN 60 90", "RUNNING 90 …"]);
    expect(played.of("state")[1]?.unknownMs).toBe(30_000);
    expect(played.of("connection")).toMatchObject([{ status: "closed", kind: "gap", reason: "unavailable", durationMs: 30_000, recoverable: false, lastGoodAt: "2025-03-03T06:00:00.000Z" }]);
  });
  test("after AVAILABLE, execution stays unknown until it is reported", () => {
    const played = play([[0, ready], [10, { availability: "UNAVAILABLE" }], [20, { availability: "AVAILABLE" }], [50, { execution: "READY" }]]);
    expect(states(played)).toEqual(["READY 0 10", "UNKNOWN 10 50", "READY 50 …"]);
  });
  test.each(["RUNNING", "HELD", "READY", "MANUAL", "ALARM"] as const)("a cable pulled while %s", (state) => {
    const before: Record<typeof state, Row[]> = {
      RUNNING: [[1, { execution: "ACTIVE" }]], HELD: [[1, { execution: "ACTIVE" }], [2, { execution: "FEED_HOLD" }]], READY: [],
      MANUAL: [[1, { controller_mode: "MANUAL" }]], ALARM: [[1, { alarm: [fault("9")] }]],
    };
    const played = play([[0, ready], ...before[state], [100, gap("link-down")], [160, snapshot(ready)]]);
    expect(states(played).slice(-3)).toEqual([expect.stringMatching(new RegExp(`^${state} \\d 100$`)), "UNKNOWN 100 160", "READY 160 …"]);
    expect(played.of("connection")).toMatchObject([{ reason: "link-down", durationMs: 60_000, recoverable: true, source: "mtconnect" }]);
  });
  test("every value is unknown after a gap: an old mode is not taken for the present one", () => {
    expect(states(play([[0, ready], [10, gap("position-jump", 400)], [12, { execution: "ACTIVE" }], [13, auto]]))).toEqual(["READY 0 10", "UNKNOWN 10 13", "RUNNING 13 …"]);
  });
  test("the gap says how much was missed, and that it is gone", () => {
    expect(play([[0, ready], [10, gap("position-jump", 400)]]).of("connection")).toMatchObject([{ status: "open", end: null, reason: "position-jump", missing: 400, recoverable: false }]);
  });
  test("gaps in a row are one UNKNOWN", () => {
    const played = play([[0, ready], [10, gap("link-down")], [20, gap("source-restarted")], [30, snapshot(ready)]]);
    expect(states(played)).toEqual(["READY 0 10", "UNKNOWN 10 30", "READY 30 …"]);
    expect(played.of("connection")).toHaveLength(1);
  });
  test("a gap without length is still a gap, and no state is empty", () => {
    const played = play([[0, ready], [10, gap("position-jump")], [10, snapshot({ ...ready, execution: "ACTIVE" })]]);
    expect(states(played)).toEqual(["READY 0 10", "RUNNING 10 …"]);
    expect(played.of("connection")).toMatchObject([{ durationMs: 0, status: "closed" }]);
  });
});

describe("a source that does not stamp its events", () => {
  const rules = rulesWith({ state: { minimumMs: 500 } });
  test("flips shorter than the least duration are merged and counted", () => {
    const played = play([[0, ready], [10, { execution: "ACTIVE" }], [10.2, { execution: "READY" }], [20, { execution: "ACTIVE" }], [30, { execution: "READY" }]], rules);
    expect(states(played)).toEqual(["READY 0 20", "RUNNING 20 30", "READY 30 …"]);
    expect(played.of("state")[0]?.flapCount).toBe(1);
  });
  test("UNKNOWN is never merged away", () => {
    expect(states(play([[0, ready], [10, { execution: null }], [10.1, { execution: "READY" }]], rules))).toEqual(["READY 0 10", "UNKNOWN 10 10.1", "READY 10.1 …"]);
  });
});
