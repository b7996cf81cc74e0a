/** Parts: which cycle a counter step belongs to, and which values of a counter are parts at all. */
import { describe, expect, test } from "vitest";
import { counts, credited, cycles, gap, play, quantity, RULES, rulesWith, secondsOf, snapshot, type Played, type Row } from "../../support/timeline.ts";

const on = { availability: "AVAILABLE", execution: "READY", controller_mode: "AUTOMATIC", program: "O100", part_count: 40 };
const ACTIVE = { execution: "ACTIVE" };
const READY = { execution: "READY" };
const COMPLETED = { execution: "PROGRAM_COMPLETED" };
const parts = (count: number): { part_count: number } => ({ part_count: count });
const byCounter = rulesWith({ cycle: { quantity: "counter" } });
const byCycle = rulesWith({ cycle: { quantity: "cycle" } });
const PREPARE: Row[] = [[0, on], [10, ACTIVE]];
const linked = (played: Played): string[][] => played.of("count").map(({ cycleIds }) => [...cycleIds]);
const once = (played: Played): void => {
  expect(credited(played)).toBe(quantity(played));
  expect(new Set([...played.of("cycle"), ...played.of("count")].map(({ id }) => id)).size).toBe(played.of("cycle").length + played.of("count").length);
};

describe("a step and the end of a cycle", () => {
  test.each<[string, Row[]]>([
    ["with the end, in one stamp", [[70, { ...COMPLETED, ...parts(41) }], [70.2, READY]]],
    ["just before it", [[69.9, parts(41)], [70, COMPLETED]]],
    ["exactly counter_join before it", [[65, parts(41)], [70, COMPLETED]]],
    ["between completed and ready (Okuma)", [[70, COMPLETED], [70.1, parts(41)], [70.3, READY]]],
    ["after ready (Okuma)", [[70, COMPLETED], [70.2, READY], [70.3, parts(41)]]],
    ["exactly counter_join after it", [[70, COMPLETED], [75, parts(41)]]],
    ["when the next cycle runs already", [[70, COMPLETED], [71, READY], [73, ACTIVE], [74, parts(41)]]],
  ])("%s: belongs to that cycle", (_, rows) => {
    const played = play([...PREPARE, ...rows], byCounter);
    const [cycle] = played.of("cycle");
    expect(cycle).toMatchObject({ partsDelta: 1, quantityOfRecord: false, counter: { from: 40, to: 41, epoch: 0 }, cycleElapsedMs: 60_000, outcome: "completed" });
    expect(played.of("count")).toMatchObject([{ delta: 1, plausibility: "ok", quantityOfRecord: true, cycleIds: [cycle?.id] }]);
    once(played);
  });

  test("short cycles: each step goes to the nearest end", () => {
    const rows: Row[] = [0, 1, 2, 3].flatMap((n): Row[] => [[10 + 3 * n, ACTIVE], [11.9 + 3 * n, parts(41 + n)], [12 + 3 * n, READY]]);
    const played = play([[0, on], ...rows], byCounter);
    expect(played.of("cycle").map(({ counter, partsDelta }) => [counter?.to, partsDelta])).toEqual([[41, 1], [42, 1], [43, 1], [44, 1]]);
    once(played);
  });
  test("a step nearer to the end after than to the one before", () => {
    const played = play([...PREPARE, [12, { execution: "STOPPED" }], [13, ACTIVE], [15.8, parts(41)], [16, READY]], byCounter);
    expect(cycles(played)).toEqual(["10 12 aborted stopped 0", "13 16 completed ready 1"]);
  });
  test("the counter has given all parts of the cycle: published there, not at the end of the window", () => {
    const rows: Row[] = [[0, on], [10, ACTIVE], [70, COMPLETED], [70.3, parts(41)]];
    expect(cycles(play(rows, RULES, { settle: 0 }))).toEqual(["10 70 completed program_completed 1"]);
    expect(play([...rows, [73, ACTIVE], [133, COMPLETED], [133.3, parts(42)]], RULES, { settle: 0 }).of("cycle")).toHaveLength(2);
  });
  test("of two parts the first is not enough", () => {
    const two = rulesWith({ cycle: { partsPerCycle: 2 } });
    expect(cycles(play([[0, on], [10, ACTIVE], [70, COMPLETED], [70.3, parts(41)]], two, { settle: 0 }))).toEqual([]);
    expect(cycles(play([[0, on], [10, ACTIVE], [70, COMPLETED], [70.3, parts(41)], [71, parts(42)]], two, { settle: 0 }))).toHaveLength(1);
  });
  test("beyond counter_join after the end: no cycle, suspect", () => {
    const played = play([...PREPARE, [70, COMPLETED], [75.001, parts(41)]], byCounter);
    expect(cycles(played)).toEqual(["10 70 completed program_completed 0"]);
    expect(counts(played)).toEqual(["75.001 40>41 1 suspect"]);
    once(played);
  });

  test("pitfall 23: one endless ACTIVE, the counter is the boundary, at the step's stamp", () => {
    const played = play([...PREPARE, [70, parts(41)], [130, parts(42)], [190, parts(43)], [200, READY]], byCounter);
    expect(cycles(played)).toEqual(["10 70 completed counter_step 1", "70 130 completed counter_step 1", "130 190 completed counter_step 1", "190 200 unknown ready 0"]);
    expect(played.of("cycle").map(({ inCycleMs, gapBeforeMs }) => [inCycleMs, gapBeforeMs])).toEqual([[60_000, null], [60_000, 0], [60_000, 0], [10_000, 0]]);
    once(played);
  });
  test("ACTIVE must last longer than counter_join after the step", () => {
    expect(cycles(play([...PREPARE, [70, parts(41)], [75, READY]], byCounter))).toEqual(["10 75 completed ready 1"]);
    expect(cycles(play([...PREPARE, [70, parts(41)], [75.002, READY]], byCounter))).toEqual(["10 70 completed counter_step 1", "70 75.002 unknown ready 0"]);
  });
  test("two steps together are one boundary (twin spindles)", () => {
    const played = play([...PREPARE, [70, parts(41)], [70.5, parts(42)], [130, READY]], byCounter);
    expect(cycles(played)).toEqual(["10 70 completed counter_step 2", "70 130 unknown ready 0"]);
    expect(linked(played)).toEqual([[played.of("cycle")[0]?.id], [played.of("cycle")[0]?.id]]);
    once(played);
  });
  test("a step before a hold inside the cycle is no boundary; its parts are the cycle's", () => {
    const played = play([...PREPARE, [70, parts(41)], [72, { execution: "PROGRAM_STOPPED" }], [100, ACTIVE], [130, READY]], byCounter);
    expect(played.of("cycle")).toMatchObject([{ cycleElapsedMs: 120_000, partsDelta: 1, counter: { from: 40, to: 41 } }]);
    expect(counts(played)).toEqual(["70 40>41 1 ok"]);
    once(played);
  });
  test("held time on both sides of a counter boundary", () => {
    const played = play([...PREPARE, [30, { execution: "FEED_HOLD" }], [40, ACTIVE], [70, parts(41)], [80, { execution: "FEED_HOLD" }], [90, ACTIVE], [130, READY]], byCounter);
    expect(played.of("cycle").map(({ inCycleMs, heldMs }) => [inCycleMs, heldMs])).toEqual([[50_000, 10_000], [50_000, 10_000]]);
  });
});

describe("one quantity of record", () => {
  test("pitfall 2: the cycle counts until the counter first steps at an end, the counter from the next cycle on", () => {
    const played = play([...PREPARE, [70, { ...COMPLETED, ...parts(41) }], [71, READY], [80, ACTIVE], [140, COMPLETED], [140.5, parts(42)], [141, READY], [150, ACTIVE], [210, COMPLETED], [211, READY]]);
    expect(played.of("cycle").map(({ quantityOfRecord, partsDelta }) => [quantityOfRecord, partsDelta])).toEqual([[true, 1], [false, 1], [false, 0]]);
    expect(played.of("count").map(({ quantityOfRecord }) => quantityOfRecord)).toEqual([false, true]);
    expect(quantity(played)).toBe(2);
    once(played);
  });
  test("pitfall 2: it switches even where the next cycle began before the step came", () => {
    const played = play([...PREPARE, [70, COMPLETED], [71, ACTIVE], [72, parts(41)], [130, { ...COMPLETED, ...parts(42) }]]);
    expect(played.of("cycle").map((one) => one.quantityOfRecord)).toEqual([true, false]);
    expect(quantity(played)).toBe(2);
  });
  test("pitfall 5: a counter that never moves leaves the cycle as the quantity", () => {
    const played = play([...PREPARE, [70, COMPLETED], [71, READY], [80, ACTIVE], [140, COMPLETED], [141, READY]]);
    expect(played.of("cycle").map(({ quantityOfRecord, partsDelta }) => [quantityOfRecord, partsDelta])).toEqual([[true, 1], [true, 1]]);
    expect(played.of("count")).toEqual([]);
  });
  test("quantity: cycle: the counter is recorded and does not count", () => {
    const played = play([...PREPARE, [70, { ...COMPLETED, ...parts(42) }]], byCycle);
    expect(quantity(played)).toBe(1);
    expect(played.of("count")).toMatchObject([{ delta: 2, quantityOfRecord: false }]);
    once(played);
  });
  test("pitfall 19: several parts a cycle", () => {
    const rules = rulesWith({ cycle: { quantity: "cycle", programs: [{ match: "O100", kind: "production", partsPerCycle: 4 }] } });
    expect(play([...PREPARE, [70, COMPLETED]], rules).of("cycle")).toMatchObject([{ partsDelta: 4, partsExpected: 4 }]);
    expect(play([...PREPARE, [70, { ...COMPLETED, ...parts(44) }]], rulesWith({ cycle: { quantity: "counter", partsPerCycle: 4 } })).of("count")).toMatchObject([{ delta: 4, plausibility: "ok" }]);
  });
  test("pitfall 22: a counter that steps at the end of a warm-up makes no parts", () => {
    const played = play([...PREPARE, [70, { ...COMPLETED, ...parts(41) }]], rulesWith({ cycle: { quantity: "counter", programs: [{ match: "O1*", kind: "warmup" }] } }));
    expect(played.of("cycle")).toMatchObject([{ cycleKind: "warmup", partsDelta: 0 }]);
    expect(played.of("count")).toMatchObject([{ delta: 1, quantityOfRecord: false }]);
    expect(quantity(played)).toBe(0);
    once(played);
  });
  test("pitfall 25: an aborted cycle makes no parts, unless the counter moved", () => {
    expect(quantity(play([...PREPARE, [70, { emergency_stop: "TRIGGERED" }]]))).toBe(0);
    const played = play([...PREPARE, [68, parts(41)], [70, { emergency_stop: "TRIGGERED" }]], byCounter);
    expect(cycles(played)).toEqual(["10 70 aborted emergency_stop 1"]);
    once(played);
  });
  test("the counter of the main path alone", () => {
    expect(play([...PREPARE, [70, { ...COMPLETED, "part_count/2": 7 }]], byCounter).of("count")).toEqual([]);
  });
  test("a machine whose only counter counts good parts", () => {
    const { part_count: _, ...bare } = on;
    const played = play([[0, { ...bare, part_count_good: 3 }], [10, ACTIVE], [70, { ...COMPLETED, part_count_good: "4.0" }]], byCounter);
    expect(played.of("count")).toMatchObject([{ counter: { name: "part_count_good", from: 3, to: 4 }, delta: 1 }]);
  });
});

describe("values that are no parts", () => {
  const IDLE: Row[] = [[0, { ...on, part_count: 2000 }]];
  test("pitfall 3: a counter reset opens a new epoch, and makes no parts", () => {
    const played = play([...IDLE, [100, parts(0)], [110, ACTIVE], [170, { ...COMPLETED, ...parts(1) }]], byCounter);
    expect(counts(played)).toEqual(["100 ?>0 0 ok", "170 0>1 1 ok"]);
    expect(played.of("count").map(({ counter, resetDetected }) => [counter.epoch, resetDetected])).toEqual([[1, true], [1, false]]);
    expect(quantity(played)).toBe(1);
  });
  test("pitfall 3: reset to 1 at the end of a cycle: that part was made since", () => {
    const played = play([[0, { ...on, part_count: 57 }], [10, ACTIVE], [70, { ...COMPLETED, ...parts(0) }], [70.5, parts(1)]], byCounter);
    expect(quantity(played)).toBe(1);
  });
  test("pitfall 4: a glitch that returns is rejected, without a new epoch", () => {
    const played = play([...IDLE, [100, parts(599_999)], [200, parts(2000)], [210, ACTIVE], [270, { ...COMPLETED, ...parts(2001) }]], byCounter);
    expect(counts(played)).toEqual(["100 2000>599999 0 rejected", "270 2000>2001 1 ok"]);
    expect(played.of("count")).toMatchObject([{ counter: { epoch: 0 }, quantityOfRecord: false, durationMs: 100_000 }, { counter: { epoch: 0 } }]);
    expect(quantity(played)).toBe(1);
  });
  test("pitfall 4: so is one that falls and returns, and parts made meanwhile count", () => {
    const played = play([...IDLE, [100, parts(599)], [160, parts(2001)]], byCounter);
    expect(counts(played)).toEqual(["100 2000>599 0 rejected", "160 2000>2001 1 suspect"]);
  });
  test("pitfall 4: the same glitch twice is two records", () => {
    expect(play([...IDLE, [100, parts(599_999)], [200, parts(2000)], [300, parts(599_999)], [400, parts(2000)]], byCounter).of("count")).toHaveLength(2);
  });
  test("pitfall 6: a counter that someone sets high, and that stays there, is a new epoch without parts, suspect", () => {
    const played = play([...IDLE, [100, parts(5000)]], byCounter);
    expect(played.of("count")).toMatchObject([{ counter: { epoch: 1, to: 5000 }, delta: 0, plausibility: "suspect", resetDetected: true }]);
    expect(secondsOf(played.of("count")[0]?.start ?? "")).toBe(100);
  });
  test("pitfall 6: edited in idle by a few: counted, and suspect", () => {
    expect(counts(play([...IDLE, [100, parts(2005)]], byCounter))).toEqual(["100 2000>2005 5 suspect"]);
  });
  test("pitfall 6: edited inside a cycle: suspect", () => {
    expect(counts(play([...IDLE, [110, ACTIVE], [120, parts(2030)], [122, { execution: "FEED_HOLD" }], [200, READY]], byCounter))).toEqual(["120 2000>2030 30 suspect"]);
  });
  test("a fall that is not to zero is a reset once it counts on", () => {
    const played = play([...IDLE, [100, parts(50)], [110, ACTIVE], [170, { ...COMPLETED, ...parts(51) }]], byCounter);
    expect(counts(played).sort()).toEqual(["100 ?>50 0 ok", "170 50>51 1 ok"]);
  });
  test("a counter that wraps at its end", () => {
    const played = play([[0, { ...on, part_count: 9_999 }], [10, ACTIVE], [70, { ...COMPLETED, ...parts(0) }]], byCounter);
    expect(played.of("count")).toMatchObject([{ delta: 1, rollover: true, resetDetected: false, counter: { epoch: 1, to: 0 } }]);
  });
  test("values that are no counts are not known", () => {
    expect(play([...IDLE, [10, { part_count: "many" }], [20, { part_count: -1 }], [30, { part_count: 2000 }]], byCounter).of("count")).toEqual([]);
  });
});

describe("over an outage", () => {
  test("pitfall 7: cycles that happened unseen: one inferred count over the gap, no invented cycles", () => {
    const played = play([[0, { ...on, part_count: 1887 }], [100, gap("link-down")], [25_300, snapshot({ ...on, part_count: 1890 })]], byCounter);
    expect(played.of("count")).toMatchObject([{ delta: 3, plausibility: "ok", timing: { kind: "inferred", uncertaintyMs: 25_200_000 }, durationMs: 25_200_000, cycleIds: [], quantityOfRecord: true }]);
    expect(played.of("cycle")).toEqual([]);
    expect(quantity(played)).toBe(3);
    once(played);
  });
  test("the same value again is no part", () => {
    expect(play([[0, { ...on, part_count: 3766 }], [50, { part_count: null }], [60, { part_count: 3766 }]], byCounter).of("count")).toEqual([]);
  });
  test("an adapter's initial zero, then the true value: never 3763 parts", () => {
    const { part_count: _, ...bare } = on;
    const unseen = play([[0, { ...bare, part_count: null }], [31, parts(0)], [298, parts(3763)], [310, ACTIVE], [370, { ...COMPLETED, ...parts(3764) }]], byCounter);
    expect(quantity(unseen)).toBeLessThanOrEqual(1);
    const known = play([[0, { ...on, part_count: 3763 }], [20, { part_count: null }], [31, parts(0)], [298, parts(3763)], [310, ACTIVE], [370, { ...COMPLETED, ...parts(3764) }]], byCounter);
    expect(counts(known)).toEqual(["31 3763>0 0 rejected", "370 3763>3764 1 ok"]);
    expect(quantity(known)).toBe(1);
  });
  test("pitfalls 8 and 9: an agent's restart: values said again make no parts, and no id of before", () => {
    const played = play([[0, on], [10, ACTIVE], [70, { ...COMPLETED, ...parts(41) }], [80, gap("source-restarted")], [90, snapshot({ ...on, part_count: 41 })], [91, parts(41)]], byCounter);
    expect(quantity(played)).toBe(1);
    once(played);
  });
  test("a large difference is believed only when it stays", () => {
    const played = play([[0, { ...on, part_count: 1000 }], [100, gap("link-down")], [90_000, snapshot({ ...on, part_count: 1500 })]], byCounter);
    expect(counts(played)).toEqual(["100 1000>1500 500 suspect"]);
    expect(quantity(played)).toBe(500);
  });
});
