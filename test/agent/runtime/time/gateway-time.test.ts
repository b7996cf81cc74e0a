/** Event time by this machine's own clock, through steps, drift and reboots. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isShifted, placeGateway, type GatewayTime } from "../../../../agent/runtime/time/gateway-time.ts";
import { monoMs, unixMs, type Instant } from "../../../../agent/contract/time.ts";

const START = Date.UTC(2026, 10, 27, 6);
const HOUR = 3_600_000;
const instant = (wall: number, mono: number, boot = "one"): Instant => ({ unixMs: unixMs(START + wall), monoMs: monoMs(mono), boot });

function follow(instants: readonly Instant[]) {
  let time: GatewayTime | null = null;
  return instants.map((now) => {
    const placed = placeGateway(time, now);
    time = placed.time;
    return { at: placed.at - START, jumpedFrom: placed.jumpedFrom === null ? null : placed.jumpedFrom - START, shifted: isShifted(placed.time) };
  });
}

describe("gateway time", () => {
  test("without steps it is wall time", () => {
    expect(follow([instant(0, 100), instant(5_000, 5_100), instant(HOUR, HOUR + 100)]).map(({ at }) => at)).toEqual([0, 5_000, HOUR]);
  });

  test("a forward step is a gap from where time had got to", () => {
    const [, after] = follow([instant(0, 0), instant(HOUR + 10_000, 10_000)]);
    expect(after).toEqual({ at: HOUR + 10_000, jumpedFrom: 10_000, shifted: false });
  });

  test("a backward step moves nothing: durations stay true, and the dates say that they are shifted", () => {
    const [, after, later] = follow([instant(0, 0), instant(10_000 - HOUR, 10_000), instant(70_000 - HOUR, 70_000)]);
    expect(after).toMatchObject({ jumpedFrom: null, shifted: true });
    expect(Math.abs((after?.at ?? 0) - 10_000)).toBeLessThanOrEqual(5);
    expect(Math.abs((later?.at ?? 0) - 70_000)).toBeLessThanOrEqual(35);
  });

  test("what is ahead melts at half a millisecond a second, and then the dates are plain again", () => {
    const back = [instant(0, 0), instant(-5_000, 1)];
    const day = Array.from({ length: 24 }, (_, hour) => instant(-5_000 + (hour + 1) * HOUR, (hour + 1) * HOUR));
    const placed = follow([...back, ...day]);
    expect(placed[1]?.shifted).toBe(true);
    expect(placed.at(-1)).toEqual({ at: 24 * HOUR - 5_000, jumpedFrom: null, shifted: false });
  });

  test("after a reboot the wall clock is believed, ahead by what it was, or no longer once it has caught up", () => {
    const before = [instant(0, 500), instant(-HOUR, 500)];
    expect(follow([...before, instant(60_000 - HOUR, 20, "two")]).at(-1)).toEqual({ at: 60_000, jumpedFrom: null, shifted: true });
    expect(follow([...before, instant(HOUR, 20, "two")]).at(-1)).toEqual({ at: HOUR, jumpedFrom: null, shifted: false });
  });
  test("a clock that shows less after a reboot, until it is set: time goes on from where it was, and what the reboot took is a gap", () => {
    const said = follow([instant(HOUR, 500), instant(-HOUR, 20, "two"), instant(10_000 - HOUR, 10_020, "two"), instant(3 * HOUR, 20_020, "two")]);
    expect(said.slice(1).map(({ at, jumpedFrom }) => [Math.round((at - HOUR) / 100), jumpedFrom && Math.round((jumpedFrom - HOUR) / 100)])).toEqual([[0, null], [100, null], [2 * HOUR / 100, 200]]);
  });

  test("property: whatever the wall clock does, time never goes back within a boot, and without forward steps no duration is off by more than a thousandth", () => {
    fc.assert(fc.property(fc.array(fc.record({ passed: fc.integer({ min: 0, max: HOUR }), step: fc.integer({ min: -2 * HOUR, max: 2 * HOUR }) }), { minLength: 1, maxLength: 40 }), (moves) => {
      let [wall, mono] = [0, 0];
      const instants = [instant(0, 0), ...moves.map(({ passed, step }) => instant((wall += passed + step), (mono += passed)))];
      const placed = follow(instants);
      for (const [index, { at, jumpedFrom }] of placed.entries()) {
        const before = placed[index - 1];
        if (!before) continue;
        const passed = moves[index - 1]?.passed ?? 0;
        expect((jumpedFrom ?? at) - before.at).toBeGreaterThanOrEqual(-1);
        expect(Math.abs((jumpedFrom ?? at) - before.at - passed)).toBeLessThanOrEqual(passed * 0.001 + 2);
      }
    }), { numRuns: 300 });
  });
});
