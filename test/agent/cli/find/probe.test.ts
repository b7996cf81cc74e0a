import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startSinumerik } from "../../../../agent/simulate/opcua/sinumerik.ts";
import { control } from "../../../protocols/focas/reading.ts";
import { freePort } from "../../../support/free-port.ts";
import { cellgate, cellgateFolder, shop, stranger } from "./shop.ts";

describe("a control by kind and address", () => {
  it("FOCAS: what it is, what it says, and what an older one refuses, with why", async () => {
    using own = cellgateFolder();
    await using server = await control({ series: "16i" });
    server.refuse.set(0x34, 6);
    const ran = await cellgate(["probe", "focas", `127.0.0.1:${server.port}`, "--config", own.configuration(), "--seconds", "1.5"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toMatch(/^focas at 127\.0\.0\.1:\d+\nFANUC 16i-A M/);
    expect(ran.out).toMatch(/axes +X Y Z/);
    expect(ran.out).toMatch(/execution +READY/);
    expect(ran.out).toMatch(/It does not give\n(?: {2}.+\n)* {2}operator message 0 +option not fitted \(6\)/);
    expect(ran.out).toMatch(/Never spoken of: .*power_state/);
    expect(ran.out).toMatch(/message +UNAVAILABLE/);
    await expect.poll(() => server.stats).toMatchObject({ opened: 1, closed: 1, forgotten: 0, writes: 0 });
  });

  it("each kind, and the same as JSON", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    for (const kind of ["haas", "mtconnect", "focas"]) {
      const ran = await cellgate(["probe", kind, all.targets[kind] ?? "", "--config", own.configuration(), "--seconds", "0.5", "--json"]);
      expect(JSON.parse(ran.out)).toMatchObject({ asked: "control", kind, signals: expect.arrayContaining([expect.objectContaining({ signal: "execution", value: "READY", quality: "GOOD" })]) as unknown });
    }
  });

  it("OPC UA: what it offers, without a session, and the source to begin with", async () => {
    using own = cellgateFolder();
    const sinumerik = await startSinumerik({ port: await freePort(), folder: own.path, secured: true, users: { reader: "x" } });
    try {
      const ran = await cellgate(["probe", "opcua", sinumerik.url, "--config", own.configuration()]);
      expect(ran.out).toMatch(/security +.*encrypt \(Basic256Sha256\)/);
      expect(ran.out).toMatch(/security: encrypt/);
      expect(ran.out).toMatch(/add username and password/);
      expect(ran.out).toMatch(/cellgate opcua trust/);
      expect(sinumerik.sessions).toBe(0);
    } finally {
      await sinumerik.close();
    }
  });

  it("SHDR: its keys with their values, and a map that they lead to; from a recording as well", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    const seen = await cellgate(["probe", "shdr", all.targets["shdr"] ?? "", "--config", own.configuration()]);
    expect(seen.out).toMatch(/pexecution +READY +→ execution/);
    expect(seen.out).toMatch(/ptool +1\n/);
    expect(seen.out).toMatch(/ {6}plogic: alarm/);
    const capture = join(own.path, "capture.txt");
    writeFileSync(capture, "2026-01-05T06:00:00.000Z|avail|AVAILABLE|Exec|ACTIVE\n2026-01-05T06:00:01.000Z|Zusatz|\u001b[2J7\n2026-01-05T06:00:01.000Z|sys|FAULT|1012|1||Spindle");
    const recorded = await cellgate(["probe", "shdr", "--capture", capture]);
    expect(recorded).toMatchObject({ code: 0, err: "" });
    expect(recorded.out).toMatch(/avail: availability\n {6}Exec: execution\n {6}sys: alarm/);
    expect(recorded.out).not.toContain("\u001b");
  });

  it("Modbus: a register and its neighbours in every order, and what the device refuses", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    const ran = await cellgate(["probe", "modbus", all.targets["modbus"] ?? "", "--register", "2", "--config", own.configuration()]);
    expect(ran.out).toMatch(/> +2 {2}hex 0x0000 +u16 0/);
    expect(ran.out).toMatch(/> +2 {2}with 3, ABCD: u32 412 /);
    expect(ran.out).toMatch(/> +2 {2}with 3, CDAB: u32 27000832 /);
    expect(ran.out).toMatch(/ {6}1 \(one before\)/);
    expect(ran.out).toMatch(/ {6}3 \(one after\) {2}hex 0x019c/);
    const beyond = await cellgate(["probe", "modbus", all.targets["modbus"] ?? "", "--register", "65535", "--config", own.configuration(), "--json"]);
    expect(JSON.parse(beyond.out)).toMatchObject({ address: 65_535, unit: 1, table: "holding" });
    await expect.poll(() => all.modbus.bus.connections).toBe(0);
  });
});

describe("a machine of the configuration", () => {
  it("without an agent is read by its driver, and what the device refuses is said with why", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    const [, port] = (all.targets["modbus"] ?? "").split(":");
    const file = own.configuration(`  - id: METER-3\n    sources: [{type: modbus, host: 127.0.0.1, port: ${port}, interval: 50ms, devices: [{unit: 1, points: [{address: 2, type: u32, signal: part_count}, {address: 9999, signal: point/nothing}]}]}]`);
    const ran = await cellgate(["probe", "METER-3", "--config", file, "--seconds", "0.3"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toMatch(/^machine METER-3, modbus at 127\.0\.0\.1:\d+, unit 1: 2 values/);
    expect(ran.out).toMatch(/part_count +412\n/);
    expect(ran.out).toMatch(/point\/nothing \(1\/holding\/9999\) +it does not have this address/);
    await expect.poll(() => all.modbus.bus.connections).toBe(0);
  });
});

describe("what cannot be", () => {
  it.each([
    [["probe"], 2, /name a machine of the configuration, or a kind and an address/],
    [["probe", "focas"], 2, /probe focas needs an address/],
    [["probe", "focus", "10.0.0.1"], 2, /there is no kind "focus"/],
    [["probe", "M2"], 2, /no machine "M2" in the configuration; did you mean M1\? \(M1\)/],
    [["probe", "focas", "10.0.0.1:99999"], 2, /a port is a number/],
    [["probe", "focas", "10.0.0.1; reboot"], 2, /is no address/],
    [["probe", "modbus", "127.0.0.1", "--register", "40001x"], 2, /40001 of a manual is 0/],
    [["probe", "modbus", "127.0.0.1", "--register", "1", "--table", "coil"], 2, /it may be holding or input/],
    [["probe", "focas", "127.0.0.1:1", "--register", "1"], 2, /--register is for modbus/],
    [["probe", "haas", "--capture", "/nowhere"], 2, /--capture is for shdr/],
    [["probe", "shdr", "--capture", "/nowhere"], 2, /\/nowhere cannot be read/],
    [["probe", "focas", "127.0.0.1:1"], 1, /nothing listens there/],
    [["probe", "haas", "/dev/serial/by-id/none"], 1, /the port is not there/],
    [["probe", "modbus", "/dev/serial/by-id/none"], 2, /name a register/],
  ] as const)("%j", async (words, code, why) => {
    using own = cellgateFolder();
    expect(await cellgate([...words, "--config", own.configuration()])).toMatchObject({ code, out: "", err: expect.stringMatching(why) as string });
  });

  it.each(["focas", "opcua", "haas", "mtconnect", "shdr", "modbus"])("%s: a host that says nothing is let go on Ctrl-C", async (kind) => {
    using own = cellgateFolder();
    await using silent = await stranger();
    const stopping = new AbortController();
    const running = cellgate(["probe", kind, `127.0.0.1:${silent.port}`, "--config", own.configuration(), "--timeout", "60000"], { signal: stopping.signal });
    await expect.poll(() => silent.open).toBe(1);
    stopping.abort(new Error("stopped by SIGINT"));
    expect(await running).toMatchObject({ code: 1, out: "", err: expect.stringContaining("stopped by SIGINT") as string });
    await expect.poll(() => silent.open).toBe(0);
  });
});
