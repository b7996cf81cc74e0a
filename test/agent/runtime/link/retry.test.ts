import { describe, expect, it } from "vitest";
import { retryDelays } from "../../../../agent/runtime/link/retry.ts";

const first = (count: number, random: () => number): readonly number[] => {
  const series = retryDelays({ firstMs: 1_000, maximumMs: 60_000, random });
  return Array.from({ length: count }, () => series.next().value);
};

describe("delays between tries", () => {
  it("double up to the maximum, between half a step and a whole one", () => {
    expect(first(8, () => 0)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(first(8, () => 1)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  it("stay at the maximum for ever, and within it when it is less than the first", () => {
    expect(first(2_000, () => 1).at(-1)).toBe(60_000);
    expect(retryDelays({ firstMs: 1_000, maximumMs: 10, random: () => 1 }).next().value).toBe(10);
  });
});
