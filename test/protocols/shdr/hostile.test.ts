/** Adapters that say odd things, by hand. */
import { describe, expect, it } from "vitest";
import { proposedMap } from "../../../protocols/shdr/propose.ts";
import { MAP, rawAdapter, readings, run, said } from "./reading.ts";

const now = (offsetMs = 0): string => new Date(Date.now() + offsetMs).toISOString();

/** What one adapter's text means, all of it sent at once. */
async function told(text: string, count: number): Promise<readonly string[]> {
  await using adapter = await rawAdapter((socket) => void socket.write(text));
  const result = await run({ host: "127.0.0.1", port: adapter.port, map: MAP }, { until: readings(count) });
  expect([result.error, adapter.heard]).toEqual([null, "* PING\n"]);
  return result.readings.map(said);
}

describe("nothing is invented", () => {
  it("a condition without a level says nothing of alarms", async () => {
    expect(await told(`${now()}|logic|||||\n${now()}|logic|Wrong||||\n`, 2)).toEqual(["alarm null", "alarm null"]);
    expect(await told(`${now()}|logic|FAULT|7|||DOOR\n${now()}|logic|||||\n`, 2)).toEqual([
      'alarm [{"key":"7","code":"7","severity":"FAULT","text":"DOOR","nativeType":"SYSTEM"}]', 'alarm [{"key":"7","code":"7","severity":"FAULT","text":"DOOR","nativeType":"SYSTEM"}]',
    ]);
  });

  it("a code alone clears that code, with its empty fields left out, too", async () => {
    const all = await told(`${now()}|logic|FAULT|7|||DOOR\n${now()}|logic|WARNING|8|||OIL\n${now()}|logic|NORMAL|7\n${now()}|logic|NORMAL\n`, 4);
    expect(all.map((one) => [...one.matchAll(/"code":"(\d)"/gu)].map(([, code]) => code).join(""))).toEqual(["7", "78", "8", ""]);
  });

  it("one stamp hours ahead is not when it happened", async () => {
    await using adapter = await rawAdapter((socket) => {
      socket.write(`${now()}|avail|AVAILABLE\n`);
      setTimeout(() => socket.write(`${now()}|execution|READY\n`), 400);
      setTimeout(() => socket.write(`${now(7_200_000)}|execution|ACTIVE\n`), 500);
      setTimeout(() => socket.write(`${now()}|execution|STOPPED\n`), 600);
    });
    const result = await run({ host: "127.0.0.1", port: adapter.port, map: MAP }, { until: readings(4) });
    expect(result.readings.map(({ value, sourceTime = null }) => [value, sourceTime === null ? "now" : sourceTime <= Date.now()])).toEqual([["AVAILABLE", true], ["READY", true], ["ACTIVE", "now"], ["STOPPED", true]]);
    expect(result.batches.filter(({ sourceNow = 0 }) => sourceNow > Date.now() + 1_000)).toEqual([]);
  });

  it("not a number, a blank, UNAVAILABLE in any case", async () => {
    expect(await told(`${now()}|part_count|12,5|fact||execution|unavailable|program|UNAVAILABLE\n`, 4)).toEqual(["part_count null", "feedrate null", "execution null", "program null"]);
  });

  it("a map is proposed of one device's keys, whole", () => {
    const seen = ["M1:execution", "M2:execution", "M2:mode", "avail", "M1:avail", "M1:logic", "M2:logic"].map((key) => ({ key, isCondition: key.endsWith("logic") }));
    expect(proposedMap(seen)).toEqual({ "avail": "availability", "M1:execution": "execution", "M1:logic": "alarm" });
  });
});
