/** One connection: the greeting, what comes after it, signs of life, and adapters that misbehave. Sockets are real. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import type { ActiveAlarm } from "../../../agent/contract/observation.ts";
import { startShdrAdapter } from "../../../agent/simulate/shdr/adapter.ts";
import { testPorts } from "../../support/ports.ts";
import { MAP, rawAdapter, readings, run, said } from "./reading.ts";

const stamp = (ms = Date.now()): string => new Date(ms).toISOString();
const OLD = Date.UTC(2026, 0, 5, 6);
const KEYS = (port: number) => ({ host: "127.0.0.1", port, map: MAP });
/** Network time that runs fast: heartbeats of seconds in a fraction of one. */
const fast = () => testPorts({ network: systemClock(20) });

describe("the greeting", () => {
  it("is how things were: states with their old stamps; what comes after it are events", async () => {
    await using adapter = await startShdrAdapter({ commands: ["* adapterVersion: 1.4"] });
    adapter.say(stamp(OLD), [{ key: "a", text: "avail|AVAILABLE|execution|READY|part_count|41" }]);
    const { batches, peer } = await run(KEYS(adapter.port), {
      until(_, all) {
        if (all.length === 1) adapter.say(stamp(), [{ key: "b", text: "execution|ACTIVE" }]);
        return all.length === 2;
      },
    });
    expect(batches[0]).toMatchObject({ caughtUp: true, items: [{ signal: "availability", initial: true, sourceTime: OLD }, { signal: "execution", value: "READY", initial: true }, { signal: "part_count", value: 41, initial: true, path: 1, item: "part_count" }] });
    expect(batches[0]?.sourceNow).toBeUndefined();
    const [event] = batches[1]?.items ?? [];
    expect(event).toMatchObject({ signal: "execution", value: "ACTIVE", quality: "GOOD" });
    expect(event).not.toHaveProperty("initial");
    expect(Math.abs((batches[1]?.sourceNow ?? 0) - Date.now())).toBeLessThan(5_000);
    expect(peer).toBe(`SHDR adapter 1.4 at 127.0.0.1:${adapter.port}, heartbeat 10000 ms`);
    expect(adapter.writes).toBe(0);
  });

  it("what is told late, hours after it was, is a state", async () => {
    await using adapter = await startShdrAdapter();
    adapter.say(stamp(OLD), [{ key: "a", text: "avail|AVAILABLE" }]);
    const { batches } = await run(KEYS(adapter.port), {
      until(_, all) {
        if (all.length === 1) adapter.say(stamp(Date.now() - 7_200_000), [{ key: "b", text: "program|O7" }]);
        return all.length === 2;
      },
    });
    expect(batches[1]?.items).toMatchObject([{ signal: "program", value: "O7", initial: true }]);
    expect(batches[1]?.sourceNow).toBeUndefined();
  });

  it("lines without a stamp are of now: states in the greeting, events after it", async () => {
    await using adapter = await rawAdapter((socket) => void socket.write("|avail|AVAILABLE\r\n|execution|READY\n", () => void wait(600).then(() => socket.write("|execution|ACTIVE\n"))));
    const { readings: all } = await run(KEYS(adapter.port), { until: readings(3) });
    expect(all.map((one) => [said(one), one.initial ?? false, one.sourceTime])).toEqual([["availability AVAILABLE", true, undefined], ["execution READY", true, undefined], ["execution ACTIVE", false, undefined]]);
  });

  it("relative stamps, by word or by look", async () => {
    for (const lines of ["1000|execution|READY\n1500|mode|AUTOMATIC\n", "* relativeTime: yes\n1970-01-01T00:00:01.000Z|execution|READY\n1970-01-01T00:00:01.500Z|mode|AUTOMATIC\n"]) {
      await using adapter = await rawAdapter((socket) => void socket.write(lines));
      const { readings: [first, second] } = await run(KEYS(adapter.port), { until: readings(2) });
      expect((second?.sourceTime ?? 0) - (first?.sourceTime ?? 0)).toBe(500);
      expect(Math.abs((first?.sourceTime ?? 0) - Date.now())).toBeLessThan(10_000);
    }
  });

  it("all active conditions, then the set after each change", async () => {
    await using adapter = await startShdrAdapter();
    adapter.say(stamp(OLD), [{ key: "1", text: "logic|FAULT|1012|1|HIGH|SPINDLE OVERLOAD" }, { key: "2", text: "logic|WARNING|7:a7|||LUBE LOW" }], true);
    const { readings: all } = await run(KEYS(adapter.port), {
      until(_, seen) {
        if (seen.length === 1) adapter.say(stamp(), [{ key: "1", text: "logic|NORMAL|1012|||" }], true);
        if (seen.length === 2) adapter.say(stamp(), [{ key: "2", text: "logic|normal||||" }], true);
        if (seen.length === 3) adapter.say(stamp(), [{ key: "2", text: "logic|UNAVAILABLE||||" }], true);
        return seen.length === 4;
      },
    });
    const sets = all.map(({ value }) => (value as readonly ActiveAlarm[] | null)?.map(({ key, severity, text }) => `${key} ${severity} ${text}`) ?? null);
    expect(sets).toEqual([["1012 FAULT SPINDLE OVERLOAD"], ["1012 FAULT SPINDLE OVERLOAD", "a7 WARNING LUBE LOW"], ["a7 WARNING LUBE LOW"], [], null]);
    expect(all.map(({ initial }) => initial ?? false)).toEqual([true, true, false, false, false]);
  });

  it("values: unavailable in any letters, units, resets, words that nobody knows", async () => {
    await using adapter = await rawAdapter((socket) => void socket.write("|avail|unavailable|part_count|0:DAY|fact|600|mode|STRANGE|program| |message|7|HELLO\n"));
    const { readings: all } = await run(KEYS(adapter.port), { until: readings(6) });
    expect(all.map((one) => `${said(one)} ${one.quality}`)).toEqual(["availability null UNAVAILABLE", "part_count 0 GOOD", "feedrate 10 GOOD", "controller_mode STRANGE UNCERTAIN", "program  GOOD", "message HELLO GOOD"]);
  });
});

describe("names", () => {
  it("with neither a file nor a map the error proposes one from what the adapter sends", async () => {
    await using adapter = await rawAdapter((socket) => void socket.write("|avail|AVAILABLE|pexecution|READY|ppartcount|4|S1speed|0|Zx-1|5\n|plogic|NORMAL||||\n"));
    const { error } = await run({ host: "127.0.0.1", port: adapter.port });
    expect(error).toMatchObject({ fault: "unsupported", retry: { afterMs: 60_000 } });
    expect(error?.message).toContain("put it under map: {avail: availability, pexecution: execution, ppartcount: part_count, S1speed: spindle_speed, plogic: alarm}; it sends avail, pexecution, ppartcount, S1speed, Zx-1, plogic");
  });

  it("a file that is not there, is no model, or lacks the device is said with its name", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-shdr-"));
    const devices = join(folder, "Devices.xml");
    try {
      const errorOf = async (keys: object): Promise<string | undefined> => (await run({ host: "127.0.0.1", port: 1, devices, ...keys })).error?.message;
      expect(await errorOf({})).toContain(`the file ${devices} (devices) cannot be read`);
      writeFileSync(devices, "<html/>");
      expect(await errorOf({})).toContain(`the file ${devices} (devices) is not a device model`);
      writeFileSync(devices, '<MTConnectDevices><Devices><Device id="d" name="MILL" uuid="u"><DataItems><DataItem id="e" category="EVENT" type="EXECUTION"/></DataItems></Device></Devices></MTConnectDevices>');
      expect(await errorOf({ device: "LATHE" })).toContain('has no device "LATHE"; it has: MILL (uuid u)');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("keys that nothing names are counted in the link's name", async () => {
    await using adapter = await rawAdapter((socket) => void socket.write("|execution|READY|Xact|1|Yact|2\n"));
    expect((await run(KEYS(adapter.port), { until: readings(1) })).peer).toMatch(/, no heartbeat, 2 keys not mapped$/u);
  });
});

describe("signs of life", () => {
  it("asks as often as the adapter wants, and each answer lets time go on", async () => {
    await using adapter = await startShdrAdapter({ heartbeatMs: 1_000 });
    adapter.say(stamp(), [{ key: "e", text: "execution|READY" }]);
    const { batches } = await run(KEYS(adapter.port), { ports: fast(), until: (_, all) => all.length === 6 });
    expect(batches.slice(1).every(({ items, caughtUp, sourceNow }) => items.length === 0 && caughtUp && sourceNow !== undefined)).toBe(true);
    expect(adapter.pings).toBeGreaterThanOrEqual(5);
  });

  it("silence after a promise is a lost link; data counts as life", async () => {
    let socketOf: Socket | null = null;
    await using adapter = await rawAdapter((socket) => {
      socketOf = socket;
      socket.write("* PONG 1000\n|execution|READY\n");
    });
    const { error, readings: all } = await run({ ...KEYS(adapter.port), patience: "1s" }, {
      ports: testPorts({ network: systemClock(5) }),
      until(_, seen) {
        if (seen.length < 20) void wait(40).then(() => socketOf?.write("|execution|READY\n"));
        return false;
      },
    });
    expect(all.length).toBe(20);
    expect(error).toMatchObject({ fault: "timeout" });
    expect(error?.message).toMatch(/^nothing from the adapter at 127\.0\.0\.1:\d+ for \d+ ms, although it promised a sign of life every 1000 ms$/u);
    expect(adapter.heard).toMatch(/^(?:\* PING\n)+$/u);
  });

  it("an adapter without PONG is alive as long as its connection is", async () => {
    await using adapter = await startShdrAdapter({ heartbeatMs: null });
    adapter.say(stamp(), [{ key: "e", text: "execution|READY" }]);
    const { batches, error } = await run(KEYS(adapter.port), { ports: fast(), until: (_, all) => all.length === 4 });
    expect(error).toBeNull();
    expect(batches.slice(1).every(({ items, caughtUp }) => items.length === 0 && caughtUp)).toBe(true);
  });

  it.each([["0"], ["99999999"], ["soon"]])("a PONG of %s promises nothing", async (ms) => {
    await using adapter = await rawAdapter((socket) => void socket.write(`* PONG ${ms}\n|execution|READY\n`));
    expect((await run(KEYS(adapter.port), { until: readings(1) })).peer).toContain("no heartbeat");
  });
});

describe("adapters that misbehave", () => {
  it("one that sends something else is told with its bytes", async () => {
    await using adapter = await rawAdapter((socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n".repeat(30)));
    const { error } = await run(KEYS(adapter.port));
    expect(error).toMatchObject({ fault: "protocol" });
    expect(error?.message).toContain("at byte 0: 485454502f312e31203430302042616420526571756573");
  });

  it("a line that is cut in two is one line, and one that never ends no sign of life", async () => {
    await using adapter = await rawAdapter((socket) => {
      socket.setNoDelay(true);
      socket.write("|exec", () => void wait(5).then(() => socket.write("ution|READY\n|part_count|4")));
    });
    const { readings: all, error } = await run(KEYS(adapter.port), { ports: testPorts({ network: systemClock(200) }) });
    expect(all.map(said)).toEqual(["execution READY"]);
    expect(error).toMatchObject({ fault: "timeout" });
    expect(error?.message).toContain("a line of the adapter at");
  });

  it("the connection ended by it is a lost link", async () => {
    await using adapter = await rawAdapter((socket) => void socket.end("|execution|READY\n"));
    const { error, readings: all } = await run(KEYS(adapter.port));
    expect(error).toMatchObject({ fault: "lost", retry: "backoff" });
    expect(all.length).toBeLessThanOrEqual(1);
  });
});
