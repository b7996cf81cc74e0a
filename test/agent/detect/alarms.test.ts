/** Alarms: sets of conditions in, one record for each while active. */
import { expect, test } from "vitest";
import { fault, gap, play, rulesWith, secondsOf, snapshot, warning, type Played } from "../../support/timeline.ts";

const on = { execution: "READY", controller_mode: "AUTOMATIC" };
const alarms = (played: Played): string[] =>
  played.of("alarm").map((one) => `${one.alarmId} ${secondsOf(one.start)} ${secondsOf(one.end) ?? "…"} x${one.raiseCount} ${one.clearedBy ?? "active"}`);

test("raised, cleared", () => {
  const played = play([[0, on], [10, { "alarm:logic": [fault("401")] }], [40, { "alarm:logic": [] }]]);
  expect(alarms(played)).toEqual(["401 10 40 x1 normal"]);
  expect(played.of("alarm")).toMatchObject([{ rev: 2, severity: "fault", blocking: true, group: "SYSTEM", text: "fault 401", durationMs: 30_000 }]);
  expect(played.findings.filter(({ kind }) => kind === "alarm-raised" || kind === "alarm-cleared")).toMatchObject([{ kind: "alarm-raised" }, { kind: "alarm-cleared" }]);
});
test("several at once on one item, each its own record", () => {
  expect(alarms(play([[0, on], [10, { alarm: [warning("1"), warning("2")] }], [20, { alarm: [warning("2"), fault("3")] }], [30, { alarm: [] }]]))).toEqual([
    "1 10 20 x1 normal", "2 10 30 x1 normal", "3 20 30 x1 normal",
  ]);
});
test("the set of one item says nothing of another's", () => {
  expect(alarms(play([[0, on], [10, { "alarm:a": [fault("1")] }], [20, { "alarm:b": [] }]]))).toEqual(["1 10 … x1 active"]);
});
test("reported each second with the same words: one record, one revision", () => {
  const rows = Array.from({ length: 60 }, (_, n): [number, object] => [10 + n, { alarm: [fault("1")] }]);
  expect(play([[0, on], ...(rows as never[])]).of("alarm")).toMatchObject([{ rev: 1, raiseCount: 1 }]);
});
test("raised again soon after: the same record, folded", () => {
  const played = play([[0, on], ...Array.from({ length: 447 }, (_, n) => [[10 + 4 * n, { alarm: [warning("W")] }], [11 + 4 * n, { alarm: [] }]] as const).flat()]);
  expect(alarms(played)).toEqual([`W 10 ${11 + 4 * 446} x447 normal`]);
  expect(played.revisions.filter(({ type }) => type === "alarm")).toHaveLength(2);
});
test("raised again exactly at the end of the window, and after it", () => {
  expect(alarms(play([[0, on], [10, { alarm: [fault("1")] }], [20, { alarm: [] }], [30, { alarm: [fault("1")] }], [40, { alarm: [] }]]))).toEqual(["1 10 40 x2 normal"]);
  expect(alarms(play([[0, on], [10, { alarm: [fault("1")] }], [20, { alarm: [] }], [30.001, { alarm: [fault("1")] }], [40, { alarm: [] }]]))).toEqual(["1 10 20 x1 normal", "1 30.001 40 x1 normal"]);
  expect(alarms(play([[0, on], [10, { alarm: [fault("1")] }], [20, { alarm: [] }], [21, { alarm: [fault("1")] }]], rulesWith({ alarm: { rejoinMs: 0 } })))).toEqual(["1 10 20 x1 normal", "1 21 … x1 active"]);
});
test("a warning that becomes a fault is revised, not a new alarm", () => {
  expect(play([[0, on], [10, { alarm: [warning("1")] }], [20, { alarm: [{ ...warning("1"), severity: "FAULT" }] }]]).of("alarm")).toMatchObject([{ rev: 2, severity: "fault", blocking: true, raiseCount: 1 }]);
});
test("active before a gap and absent after: ended when we lost it", () => {
  expect(alarms(play([[0, on], [10, { alarm: [fault("1")] }], [50, gap("link-down")], [90, snapshot({ ...on, alarm: [] })]]))).toEqual(["1 10 50 x1 unavailable"]);
});
test("active before a gap and after: goes on", () => {
  expect(alarms(play([[0, on], [10, { alarm: [fault("1")] }], [50, gap("link-down")], [90, snapshot({ ...on, alarm: [fault("1")] })], [95, { alarm: [] }]]))).toEqual(["1 10 95 x1 normal"]);
});
test("an item that becomes unavailable alone", () => {
  expect(alarms(play([[0, on], [10, { alarm: [fault("1")] }], [50, { alarm: null }], [60, { alarm: [] }]]))).toEqual(["1 10 50 x1 unavailable"]);
});
test("cleared before a gap stays cleared when it was", () => {
  expect(alarms(play([[0, on], [10, { alarm: [fault("1")] }], [20, { alarm: [] }], [22, gap("link-down")], [90, snapshot({ ...on, alarm: [] })]]))).toEqual(["1 10 20 x1 normal"]);
});
test("a control that invents a code each second stays bounded", () => {
  const rows = Array.from({ length: 500 }, (_, n) => [10 + n, { [`alarm:${n}`]: [fault(`F${n}`)] }] as const);
  const played = play([[0, on], ...rows]);
  expect(played.of("alarm").filter(({ status }) => status === "open").length).toBeLessThanOrEqual(64);
  expect(played.of("alarm").filter(({ clearedBy }) => clearedBy === "replaced").length).toBe(500 - 64);
  expect(played.stateBytes).toBeLessThan(60_000);
});
