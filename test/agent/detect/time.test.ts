/** One axis of time: event time decides, offsets are noted, clocks of sources never order. */
import { expect, test } from "vitest";
import type { MachineEvent } from "../../../agent/contract/detector.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { machineDetector } from "../../../agent/detect/machine.ts";
import { cycles, events, gap, play, playEvents, RULES, rulesWith, second, snapshot, tick, type Row } from "../../support/timeline.ts";

const on = { execution: "READY", controller_mode: "AUTOMATIC" };
const ROWS: Row[] = [[0, on], [10, { execution: "ACTIVE" }], [70, { execution: "READY" }]];
const moved = (all: readonly MachineEvent[], ms: number): MachineEvent[] =>
  all.map((event) => (event.kind === "observations" ? { ...event, at: unixMs(event.at + ms), items: event.items.map((item) => ({ ...item, at: unixMs(item.at + ms), sourceTime: item.at, basis: "shifted" as const })) } : { ...event, at: unixMs(event.at + ms) }));

test("pitfalls 11 and 12: durations over the change of clocks are real time; each record notes the offset at its start", () => {
  const night = Date.parse("2025-10-26T00:30:00Z") - second(0);
  const played = playEvents(moved(events([[0, on], [60, { execution: "ACTIVE" }], [3_660, { execution: "READY" }]]), night));
  expect(played.of("cycle")).toMatchObject([{ start: "2025-10-26T00:31:00.000Z", end: "2025-10-26T01:31:00.000Z", durationMs: 3_600_000, utcOffsetMin: 120 }]);
  expect(played.of("state").map(({ utcOffsetMin }) => utcOffsetMin)).toEqual([120, 120, 60]);
});
test("pitfall 14: a controller whose clock is hours off: the stamps it gave order nothing and date nothing", () => {
  const shifted = playEvents(moved(events(ROWS), 5 * 3_600_000));
  expect(shifted.of("cycle")).toMatchObject([{ start: "2025-03-03T11:00:10.000Z", durationMs: 60_000 }]);
});
test("ids use the unshifted stamps: the same fact keeps its id whatever the shift", () => {
  const bare = events(ROWS, { numbered: false });
  const ids = (ms: number): string[] => playEvents([...moved(bare, ms), { kind: "tick", at: second(90_000) }]).of("cycle").map(({ id }) => id);
  expect(ids(60_000)).toEqual(ids(3_600_000));
});
test("pitfall 13: a step of the wall clock during a cycle is not in its length: only event time is", () => {
  const event = events(ROWS).map((one) => (one.kind === "observations" ? { ...one, items: one.items.map((item) => ({ ...item, sourceTime: unixMs(0) })) } : one));
  expect(playEvents(event).of("cycle")).toMatchObject([{ durationMs: 60_000 }]);
});
test("a stamp that stepped back says how far it was moved", () => {
  const clamped = events(ROWS).map((one, index) => (index === 1 && one.kind === "observations" ? { ...one, items: one.items.map((item) => ({ ...item, clamped: true, sourceTime: unixMs(item.at - 41_000) })) } : one));
  expect(playEvents(clamped).of("cycle")).toMatchObject([{ timing: { kind: "event", uncertaintyMs: 41_000 } }]);
});
test("without numbers from the source, records are told apart by time", () => {
  const played = play([...ROWS, [80, { execution: "ACTIVE" }], [90, gap("link-down")], [90, snapshot({ ...on, execution: "ACTIVE" })], [120, { execution: "READY" }]], RULES, { numbered: false });
  expect(cycles(played)).toEqual(["10 70 completed ready 1", "80 90 unknown source_lost 0", "90 120 completed ready 1"]);
  expect(new Set(played.of("cycle").map(({ id }) => id)).size).toBe(3);
});
test("a tick with nothing due changes nothing, not even the object", () => {
  let state = machineDetector.initial(RULES);
  for (const event of events(ROWS)) [state] = machineDetector.step(RULES, state, event, []);
  const [next, found] = machineDetector.step(RULES, state, { kind: "tick", at: second(71) }, []);
  expect(next).toBe(state);
  expect(found).toEqual([]);
});
test("what waits for the counter is held back, until its window has passed", () => {
  const rules = rulesWith({ cycle: { quantity: "counter" } });
  let state = machineDetector.initial(rules);
  for (const event of events([[0, { ...on, part_count: 4 }], [10, { execution: "ACTIVE" }], [70, { execution: "READY" }]])) [state] = machineDetector.step(rules, state, event, []);
  expect(machineDetector.heldBack?.(rules, state)).toBe(second(70));
  expect(machineDetector.wakeAt(rules, state)).toBe(second(75.001));
});
test("a week without a word: time is told in one step", () => {
  expect(play([[0, on], [7 * 86_400, tick]]).of("state")).toMatchObject([{ state: "READY", status: "open" }]);
});
