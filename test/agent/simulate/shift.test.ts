/** The scripted shift holds what it must, tells the same truth in its steps, and is the same for the same seed. */
import { describe, expect, it } from "vitest";
import { scriptedShift, SHIFT_MS, type ShiftStep } from "../../../agent/simulate/shift.ts";

const MINUTE = 60_000;
const SEEDS = [1, 2, 3, 77];

/** Execution over time, counted from the steps alone. */
const phases = (steps: readonly ShiftStep[]): { readonly state: string; readonly from: number; readonly to: number }[] => {
  const changes = steps.flatMap((step) => (step.signals["execution"] === undefined ? [] : [{ state: step.signals["execution"], from: step.atMs }]));
  return changes.map((change, index) => ({ ...change, to: changes[index + 1]?.from ?? SHIFT_MS }));
};

describe.each(SEEDS)("seed %i", (seed) => {
  const { steps, truth } = scriptedShift(seed);

  it("goes forward and fits into eight hours", () => {
    expect(steps.every((step, index) => step.atMs >= (steps[index - 1]?.atMs ?? 0))).toBe(true);
    expect(steps.at(-1)?.atMs).toBeLessThan(SHIFT_MS);
    expect(steps.at(-1)?.atMs).toBeGreaterThan(SHIFT_MS - 20 * MINUTE);
  });

  it("has three cycles and a stop of more than two minutes in its first twenty", () => {
    expect(truth.cycles.filter(({ endMs, completed }) => completed && endMs < 20 * MINUTE).length).toBeGreaterThanOrEqual(3);
    const stop = phases(steps).find(({ state, from, to }) => state !== "ACTIVE" && to - from > 2 * MINUTE && to < 20 * MINUTE);
    expect(stop?.state).toBe("PROGRAM_STOPPED");
  });

  it("has a feed hold, an alarm, lunch, a cable pull mid-shift, a program change with setup and a counter reset", () => {
    const values = (signal: string): string[] => steps.flatMap((step) => step.signals[signal] ?? []);
    expect(values("execution")).toContain("FEED_HOLD");
    expect(steps.flatMap((step) => step.alarm?.active ?? [])).toEqual([true, false]);
    expect(values("controller_mode")).toEqual(["AUTOMATIC", "MANUAL", "MANUAL_DATA_INPUT", "AUTOMATIC"]);
    expect(values("program")).toEqual(["O1234", "O2040"]);
    expect(phases(steps).some(({ state, from, to }) => state === "READY" && to - from >= 30 * MINUTE && from < 245 * MINUTE && to >= 270 * MINUTE)).toBe(true);
    const counts = values("part_count").map(Number);
    expect(counts.filter((count, index) => count < (counts[index - 1] ?? count))).toEqual([0]);
    expect(steps.flatMap((step) => (step.cable === undefined ? [] : [[step.cable, step.atMs]]))).toEqual([["pull", truth.cable[0]?.fromMs], ["plug", truth.cable[0]?.toMs]]);
  });

  it("tells a truth that its steps bear out: one completion and one count step per good cycle", () => {
    const completed = phases(steps).filter(({ state }) => state === "PROGRAM_COMPLETED").map(({ from }) => from);
    expect(truth.cycles.filter((cycle) => cycle.completed).map(({ endMs }) => endMs)).toEqual(completed);
    expect(truth.parts).toBe(completed.length);
    expect(truth.cycles.filter((cycle) => !cycle.completed)).toHaveLength(1);
  });

  it("is the same again", () => {
    expect(scriptedShift(seed)).toEqual({ steps, truth, lengthMs: SHIFT_MS });
  });
});

it("differs between seeds", () => {
  expect(scriptedShift(1).steps).not.toEqual(scriptedShift(2).steps);
});
