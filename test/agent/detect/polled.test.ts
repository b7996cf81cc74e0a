/** What a poll period costs, against cycles at known instants; the same figures stand in docs/drivers.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LATE_SHARE, lookedAt, measured, workUnder, type TrueCycle } from "../../support/polled-truth.ts";
import { RULES, type Played } from "../../support/timeline.ts";

const PERIODS_MS = [100, 500, 1_000, 5_000] as const;
const LENGTHS_MS = [100, 500, 1_000, 3_000, 10_000] as const;
const COUNTER_AFTER_MS = 330;
const CYCLES = 1_000;

/** Of one length to the millisecond, with the time to load a part between them. */
const cyclesOf = (lengthMs: number): readonly TrueCycle[] => workUnder({ count: CYCLES, lengthMs: () => lengthMs, pauseMs: (random) => 12_000 + 20_000 * random() }, lengthMs);
const looked = (cycles: readonly TrueCycle[], periodMs: number): Played => lookedAt(cycles, { periodMs, counterAfterMs: COUNTER_AFTER_MS, seed: periodMs });
/** Parts of a count record of no cycle: from the look before to this one, as concluded. */
const recovered = (played: Played): number => played.of("count").filter(({ cycleIds, timing, durationMs }) => cycleIds.length === 0 && timing.kind === "inferred" && durationMs === timing.uncertaintyMs).reduce((sum, { delta }) => sum + delta, 0);
const joined = (played: Played): number => played.of("cycle").reduce((sum, { partsDelta }) => sum + partsDelta, 0);
const most = (values: readonly number[]): number => values.reduce((found, value) => Math.max(found, Math.abs(value)), 0);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

const seconds = (ms: number): string => `${ms / 1_000} s`;
const HEAD = [`| polled every | start and end late by at most | cycle time off by at most | standard deviation, 40 to 80 s long | ${LENGTHS_MS.map((length) => `missed of ${seconds(length)}`).join(" | ")} | parts counted |`, `|---|---|---|---|${LENGTHS_MS.map(() => "---|").join("")}---|`];

describe.each(PERIODS_MS)("looked at every %d ms", (periodMs) => {
  const furthest = periodMs * (1 + LATE_SHARE) + 1;
  const runs = LENGTHS_MS.map((lengthMs) => {
    const cycles = cyclesOf(lengthMs);
    const played = looked(cycles, periodMs);
    return { lengthMs, played, found: measured(cycles, played) };
  });

  it("no boundary is early, and none later than the time between two looks; a cycle time is off by no more", () => {
    for (const { found } of runs) {
      expect(Math.min(...found.starts, ...found.ends)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...found.starts, ...found.ends)).toBeLessThanOrEqual(furthest);
      expect(most(found.lengths)).toBeLessThanOrEqual(furthest);
    }
  });
  it("what a record says of its uncertainty covers what it is off by", () => {
    for (const { played, found } of runs) {
      const uncertain = played.of("cycle").map(({ timing }) => timing.uncertaintyMs);
      expect(played.of("cycle").every(({ timing }) => timing.kind === "polled")).toBe(true);
      expect(most(found.lengths)).toBeLessThanOrEqual(Math.max(...uncertain));
    }
  });
  it("a cycle is missed only when it is shorter than the time between two looks, and then as often as chance has it", () => {
    for (const { lengthMs, found } of runs) {
      const expected = Math.max(0, 1 - lengthMs / periodMs);
      expect(Math.abs(found.missed / CYCLES - expected)).toBeLessThanOrEqual(lengthMs > furthest ? 0 : 0.06);
    }
  });
  it("the part counter recovers what was missed, and the record says so: no cycle, concluded, from look to look", () => {
    for (const { played, found } of runs) {
      expect(found.parts).toBe(CYCLES);
      expect(recovered(played)).toBe(found.missed);
      expect(joined(played)).toBe(CYCLES - found.missed);
      // Nobody saw a cycle: it may have been a hand on the counter.
      expect(new Set(played.of("count").filter(({ cycleIds }) => cycleIds.length === 0).map(({ plausibility }) => plausibility)).size).toBeLessThanOrEqual(1);
      expect(played.of("cycle").filter(({ outcome }) => outcome !== "completed")).toEqual([]);
    }
  });
  it("docs/drivers.md says the same", () => {
    const lengths = runs.flatMap(({ found }) => found.lengths);
    const cycles = workUnder({ count: CYCLES, lengthMs: (random) => 40_000 + 40_000 * random(), pauseMs: (random) => 12_000 + 20_000 * random() }, 7);
    const long = measured(cycles, looked(cycles, periodMs)).lengths;
    expect(Math.abs(mean(long))).toBeLessThan(0.03 * periodMs);
    const late = Math.max(...runs.flatMap(({ found }) => [...found.starts, ...found.ends]));
    const shares = runs.map(({ found }) => `${Math.round((found.missed / CYCLES) * 100)} %`);
    const counted = runs.every(({ found }) => found.parts === CYCLES) ? "all" : "not all";
    const row = `| ${seconds(periodMs)} | ${late} ms | ${most(lengths)} ms | ${Math.round(spread(long))} ms | ${shares.join(" | ")} | ${counted} |`;
    expect(readFileSync(join(import.meta.dirname, "../../../docs/drivers.md"), "utf8").split("\n")).toEqual(expect.arrayContaining([...HEAD, row]));
  });
});

describe("a counter that steps late", () => {
  it.each(PERIODS_MS)("looked at every %d ms: a step within counter_join of the end is that cycle's, though the looks lie further apart", (periodMs) => {
    const cycles = workUnder({ count: 300, lengthMs: (random) => 20_000 + 80_000 * random(), pauseMs: (random) => 15_000 + 30_000 * random() }, 3);
    for (const counterAfterMs of [0, 2_000, RULES.cycle.counterJoinMs - 100]) {
      const played = lookedAt(cycles, { periodMs, counterAfterMs, seed: counterAfterMs });
      expect(played.of("cycle").map(({ outcome, partsDelta }) => `${outcome} ${partsDelta}`)).toEqual(cycles.map(() => "completed 1"));
      expect(played.of("count").filter(({ plausibility, cycleIds }) => plausibility !== "ok" || cycleIds.length !== 1)).toEqual([]);
    }
  });
});

describe("cycles with next to no pause between them (bar work)", () => {
  it.each(PERIODS_MS)("looked at every %d ms: every part is counted once; a record of several cycles shows more parts than it should have", (periodMs) => {
    const cycles = workUnder({ count: 500, lengthMs: (random) => 3_000 + 37_000 * random(), pauseMs: (random) => 100 + 900 * random() }, 5);
    const played = lookedAt(cycles, { periodMs, counterAfterMs: 50, seed: 5 });
    const found = measured(cycles, played);
    expect([found.parts, joined(played) + recovered(played)]).toEqual([cycles.length, cycles.length]);
    // Records that are several cycles: the looks fell into the first and the last of them.
    const several = played.of("cycle").filter(({ partsDelta, partsExpected }) => partsDelta > partsExpected);
    expect(several.length > 0).toBe(periodMs >= 500);
  });
});
