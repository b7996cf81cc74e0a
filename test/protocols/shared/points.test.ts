import { describe, expect, it } from "vitest";
import type { Problem } from "../../../agent/contract/shape.ts";
import { checkPoint, pointValue, type Point, type Raw } from "../../../protocols/shared/points.ts";

const running: Point = { signal: "execution", values: { 0: "READY", 1: "ACTIVE" } };
const overload: Point = { signal: "alarm", alarm: { code: "E12", text: "spindle overload" } };

describe("a point's value", () => {
  it.each<[string, Point, Raw | null, unknown]>([
    ["scaled, without binary rests", { signal: "point/volts", scale: 0.1 }, 231, 23.1],
    ["with an offset", { signal: "point/temperature", scale: 0.5, offset: -40 }, 100, 10],
    ["scaled, with all digits of a 64-bit counter", { signal: "point/energy", scale: 0.001 }, 1_234_567_890_123n, 1_234_567_890.123],
    ["whole numbers stay as they are", { signal: "part_count", scale: 100, offset: 7 }, 1_234_567_890_123n, 123_456_789_012_307],
    ["digits of a float, without binary rests", { signal: "point/power", scale: 1_000 }, 1.005, 1_005],
    ["a counter is whole", { signal: "part_count" }, 125, 125],
    ["half a part is none", { signal: "part_count", scale: 0.5 }, 125, null],
    ["from the table", running, 1, "ACTIVE"],
    ["a bit from the table", running, true, "ACTIVE"],
    ["what the table does not have is not known", running, 7, null],
    ["a name every object has is not in the table", running, "constructor", null],
    ["text is trimmed", { signal: "program" }, "O1234 \0".replace("\0", ""), "O1234"],
    ["text where a number is due", { signal: "spindle_load" }, "x", null],
    ["a number as text", { signal: "part_count" }, " 12 ", 12],
    ["a bit as such", { signal: "point/coolant" }, false, false],
    ["a bit where a number is due", { signal: "part_count" }, true, null],
    ["no number", { signal: "point/volts" }, Number.NaN, null],
    ["beyond all numbers", { signal: "point/volts", scale: 1e300 }, 1e300, null],
    ["64 bits, whole while they can be", { signal: "point/energy" }, 9_007_199_254_740_991n, 9_007_199_254_740_991],
    ["a counter beyond 2^53 is not known", { signal: "part_count" }, 9_007_199_254_740_993n, null],
    ["could not be read", { signal: "point/volts" }, null, null],
    ["no alarm", overload, 0, []],
    ["an alarm", overload, true, [{ key: "E12", code: "E12", severity: "FAULT", text: "spindle overload", nativeType: "alarm" }]],
    ["an alarm that could not be read", overload, null, null],
  ])("%s", (_, point, raw, value) => {
    expect(pointValue(point, raw)).toEqual({ quality: value === null ? "UNAVAILABLE" : "GOOD", value });
  });
});

it.each([2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 53n])("%s of 64 bits is rounded, so not sure", (raw) => {
  expect(pointValue({ signal: "point/energy", scale: 0.001 }, raw)).toEqual({ quality: "UNCERTAIN", value: Number((Number(raw) * 0.001).toPrecision(15)) });
});

describe("what does not fit together", () => {
  it.each<[Point, string | null]>([
    [running, null],
    [{ signal: "point/x", scale: 2 }, null],
    [overload, null],
    [{ signal: "execution" }, "execution without a value table"],
    [{ signal: "execution", values: { 1: "RUNNING" } }, 'the word "RUNNING"'],
    [{ signal: "point/x", values: { 1: "a" }, scale: 2 }, "a value table together with scale or offset"],
    [{ signal: "alarm" }, "the signal alarm without a group alarm"],
    [{ signal: "point/x", alarm: { code: "1" } }, "a group alarm with the signal point/x"],
  ])("%j", (point, found) => {
    const problems: Problem[] = [];
    checkPoint(point, ["points", 0], problems);
    expect(problems.map((problem) => problem.found)).toEqual(found === null ? [] : [found]);
  });
});
