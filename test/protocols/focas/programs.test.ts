/** Programs by number and by name, their comments; the words of an override; what comes round slowly comes round. */
import { describe, expect, it } from "vitest";
import { AUT } from "../../../agent/simulate/focas/control.ts";
import { control, run } from "./reading.ts";

describe("programs", () => {
  it("one with a name instead of a number", async () => {
    await using server = await control({ series: "31i-B" });
    Object.assign(server.control.first, { main: 0, running: 0, name: "FLANGE-OP20" });
    const told = await run(server.port);
    expect([told.last("program"), told.last("subprogram"), told.last("program_comment")]).toEqual(["FLANGE-OP20", "FLANGE-OP20", null]);
  });

  it("a sub-program's name is never the main program's", async () => {
    await using server = await control({ series: "31i-B" });
    Object.assign(server.control.first, { main: 0, running: 0, name: "PROBE" });
    server.refuse.set(0xb9, 1);
    const told = await run(server.port, {}, { until: (_, { length }) => length === 3 });
    expect([told.last("program"), told.last("subprogram")]).toEqual([null, "PROBE"]);
  });

  it("the comment is read once for each program, and not while one is fed from outside", async () => {
    await using server = await control();
    const { first } = server.control;
    first.directory.set(1, Buffer.from("(ONE)")).set(2, Buffer.from("(TWO)"));
    const told = await run(server.port, {}, { until: (_, { length }) => {
      if (length === 3) [first.main, first.running] = [2, 2];
      if (length === 6) Object.assign(first, { main: 3, running: 3, aut: AUT.remote });
      return length === 9;
    } });
    expect(told.readings.filter(({ signal }) => signal === "program_comment").map(({ value }) => value)).toEqual(["ONE", "TWO", null]);
    expect(server.asked.get(0x06)).toBe(2);
  });
});

describe("overrides", () => {
  it("no bit set is no override: the ladder puts it elsewhere", async () => {
    await using server = await control();
    server.control.setPmc(0, 12, 0);
    expect((await run(server.port)).last("feed_override")).toBeNull();
    server.control.setPmc(0, 96, 255 - 70);
    server.control.setPmc(0, 14, 2);
    const told = await run(server.port, { overrides: { feed: "G96", rapid: "G14", spindle: null } });
    expect([told.last("feed_override"), told.last("rapid_override"), told.last("spindle_override")]).toEqual([70, 25, undefined]);
  });

  it("G12 is path 1's: of another path it is read only where it is named", async () => {
    await using server = await control({ paths: 2 });
    const told = await run(server.port, { path: 2 });
    expect(told.last("feed_override")).toBeUndefined();
    expect((await run(server.port, { path: 2, overrides: { feed: "G12" } })).last("feed_override")).toBe(100);
    expect((await run(server.port)).last("feed_override", 2)).toBeUndefined();
  });
});

it("what changes slowly comes round, also where the slow interval is the interval", async () => {
  await using server = await control();
  const { first } = server.control;
  const told = await run(server.port, { interval: "500ms", slow_interval: "500ms" }, { until: (_, { length }) => {
    if (length === 1) [first.messages[4], first.spindleLoad] = [Buffer.from("LAST"), 7];
    return length === 6;
  } });
  expect([told.last("message"), told.last("spindle_load")]).toEqual(["LAST", 7]);
});
