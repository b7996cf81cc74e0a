import { describe, expect, it } from "vitest";
import type { Reading } from "../../../agent/contract/observation.ts";
import { monoMs, unixMs, type Clock } from "../../../agent/contract/time.ts";
import { ByteReader, hexAt } from "../../../protocols/shared/bytes.ts";
import { Changes } from "../../../protocols/shared/changes.ts";
import { polls } from "../../../protocols/shared/poll.ts";

/** A clock that stands still but for waits, and for what a poll takes. */
function handClock(): Clock & { pass(ms: number): void } {
  let now = 1_000;
  const unused = (): never => { throw new Error("not used here"); };
  return {
    pass: (ms) => void (now += ms),
    now: () => ({ unixMs: unixMs(now), monoMs: monoMs(now), boot: "test" }),
    sleep: (ms) => {
      now += ms;
      return Promise.resolve();
    },
    deadline: unused, after: unused,
  };
}

describe("polls", () => {
  it.each<[string, readonly number[], readonly (readonly [turn: number, missed: number, lateMs: number])[]]>([
    ["quick ones keep to the grid", [0, 10, 99, 1], [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]]],
    ["one that lasts too long is followed at once", [120, 10, 10], [[0, 0, 0], [1, 0, 20], [2, 0, 0]]],
    ["whole periods that passed are skipped and counted", [350, 10, 10], [[0, 0, 0], [3, 2, 50], [4, 0, 0]]],
  ])("%s", async (_, takes, expected) => {
    const clock = handClock();
    const seen: unknown[] = [];
    for await (const { turn, missed, lateMs } of polls(100, clock, new AbortController().signal)) {
      seen.push([turn, missed, lateMs]);
      if (seen.length === takes.length) break;
      clock.pass(takes[seen.length - 1] ?? 0);
    }
    expect(seen).toEqual(expected);
  });

  it("ends with the signal's reason", async () => {
    const stop = new AbortController();
    const run = (async () => { for await (const _ of polls(100, handClock(), stop.signal)) stop.abort(new Error("enough")); })();
    await expect(run).rejects.toThrow("enough");
  });
});

describe("changes", () => {
  const reading = (signal: string, value: number | null, item = "a"): Reading =>
    (value === null ? { kind: "reading", signal, item, quality: "UNAVAILABLE", value } : { kind: "reading", signal, item, quality: "GOOD", value });

  it("gives the first as initial, then what changed", () => {
    const changes = new Changes();
    expect(changes.of([reading("x", 1), reading("y", null)])).toEqual([{ ...reading("x", 1), initial: true }, { ...reading("y", null), initial: true }]);
    expect(changes.of([reading("x", 1), reading("y", null)])).toEqual([]);
    // Nothing was known of y before: this is what was so when we began to look.
    expect(changes.of([reading("x", 2), reading("y", 5)])).toEqual([reading("x", 2), { ...reading("y", 5), initial: true }]);
    expect(changes.of([reading("x", null)])).toEqual([reading("x", null)]);
    expect(changes.of([reading("x", 2)])).toEqual([reading("x", 2)]);
    expect(changes.of([reading("x", 3), reading("z", 1)], 500)).toEqual([{ ...reading("x", 3), uncertaintyMs: 500 }, { ...reading("z", 1), initial: true }]);
  });

  it("tells items and quality apart, and compares sets of alarms by what they hold", () => {
    const changes = new Changes();
    const alarm = (code: string): Reading => ({ kind: "reading", signal: "alarm", item: "p", quality: "GOOD", value: [{ key: code, code, severity: "FAULT", text: "", nativeType: "plc" }] });
    expect(changes.of([reading("x", 1, "a"), reading("x", 1, "b"), alarm("1")])).toHaveLength(3);
    expect(changes.of([alarm("1"), { ...reading("x", 1, "a"), quality: "UNCERTAIN", value: 1 }])).toHaveLength(1);
    expect(changes.of([alarm("2")])).toHaveLength(1);
  });
});

describe("bytes", () => {
  it("reads in the order of the network", () => {
    const reader = new ByteReader(Buffer.from("01ff0102fffe00010203fffffffd3fc0000061", "hex"), "the answer");
    expect([reader.u8(), reader.s8(), reader.u16(), reader.s16(), reader.u32(), reader.s32(), reader.f32(), reader.left]).toEqual([1, -1, 258, -2, 66_051, -3, 1.5, 1]);
    expect(Buffer.from(reader.take(1)).toString()).toBe("a");
  });

  it("what is too short shows the place", () => {
    const reader = new ByteReader(Buffer.from([1, 2, 3]), "the answer of 10.0.0.1:8193");
    reader.skip(2);
    expect(() => reader.u32()).toThrow("the answer of 10.0.0.1:8193 ends 3 bytes too early, at byte 2: 03");
    expect(() => reader.take(-1)).toThrow("too early");
    expect(hexAt(Buffer.alloc(40, 0xab), 1)).toBe(`at byte 1: ${"ab".repeat(32)}…`);
  });
});
