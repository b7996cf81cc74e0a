/** The keys of a Modbus source: the example loads, and what does not fit together is said with what would. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { decode } from "../../../agent/contract/shape.ts";
import { MODBUS_SHAPE, summaryOf } from "../../../protocols/modbus/config.ts";
import { config, type Keys } from "./reading.ts";

const EXAMPLE = parse(readFileSync(join(import.meta.dirname, "../../../protocols/modbus/example.yaml"), "utf8")) as Keys;
const point = { address: 0, signal: "point/x" };

describe("keys", () => {
  it("the example", () => {
    const { type, ...keys } = EXAMPLE;
    expect(type).toBe("modbus");
    const decoded = config(keys);
    expect(decoded.devices.map(({ unit, intervalMs, gap, points }) => [unit, intervalMs, gap, points.length])).toEqual([[1, 500, 16, 4], [2, 5_000, 16, 2]]);
    expect(decoded.devices[0]?.points[3]).toMatchObject({ table: "input", address: 16, type: "s16", order: "ABCD" });
    expect(summaryOf(decoded)).toBe("10.0.7.40:502, unit 1: 4 values every 500ms, unit 2: 2 values every 5s");
  });

  it("value tables by number, bit and text", () => {
    const tables: readonly Keys[] = [{ values: { 0: "a", 65_535: "b" } }, { type: "s16", values: { "-1": "a" } }, { type: "f32", values: { 1.5: "a" } }, { type: "u64", values: { "18446744073709551615": "a" } }, { bit: 3, values: { 0: "a", true: "b" } }, { type: "ascii", length: 2, values: { "O1 A": "a" } }];
    expect(config({ host: "a", devices: [{ points: tables.map((table, address) => ({ address, signal: `point/p${address}`, ...table })) }] }).devices[0]?.points).toHaveLength(tables.length);
  });

  it("a serial line has its own defaults", () => {
    const decoded = config({ serial: { path: "/dev/serial/by-id/x", parity: "even" }, devices: [{ points: [point] }] });
    expect(decoded).toMatchObject({ address: { kind: "serial", line: { path: "/dev/serial/by-id/x", baud: 9_600, parity: "even", stopBits: 1, dataBits: 8 } }, timeoutMs: 500, intervalMs: 1_000 });
    expect(decoded.devices[0]).toMatchObject({ unit: 1, gap: 8, maxBlock: 125 });
  });

  it.each<[string, Keys, string]>([
    ["no place", { devices: [{ points: [point] }] }, "neither host nor serial"],
    ["two places", { host: "a", serial: { path: "/dev/x" }, devices: [{ points: [point] }] }, "host together with serial"],
    ["a port of a line", { port: 502, serial: { path: "/dev/x" }, devices: [{ points: [point] }] }, "a TCP port of a serial line"],
    ["frames of a line", { framing: "rtu", serial: { path: "/dev/x" }, devices: [{ points: [point] }] }, "framing of a serial line"],
    ["the unit that all hear, behind a device server", { host: "a", framing: "rtu", devices: [{ unit: 0, points: [point] }] }, "the unit 0 on a serial line"],
    ["a port by a name that moves", { serial: { path: "ttyUSB0" }, devices: [{ points: [point] }] }, 'the text "ttyUSB0"'],
    ["the unit that all hear", { serial: { path: "/dev/x" }, devices: [{ unit: 0, points: [point] }] }, "the unit 0 on a serial line"],
    ["no values", { host: "a", devices: [{}] }, "a device without values"],
    ["another profile", { host: "a", devices: [{ profile: "eastron-sdm360" }] }, 'the text "eastron-sdm360"'],
    ["a value it does not have", { host: "a", devices: [{ profile: "eastron-sdm120", only: ["power_l1"] }] }, 'the value "power_l1"'],
    ["a name without a profile", { host: "a", devices: [{ name: "x", points: [point] }] }, "name without a profile"],
    ["one signal twice", { host: "a", devices: [{ points: [point, { ...point, address: 1 }] }] }, "point/x for the second time"],
    ["one alarm twice", { host: "a", devices: [{ points: [1, 2].map((mask) => ({ address: 0, mask, signal: "alarm", alarm: { code: "E1" } })) }] }, "alarm E1 for the second time"],
    ["a profile twice", { host: "a", devices: [{ profile: "pzem-016" }, { unit: 2, profile: "pzem-016" }] }, "point/voltage for the second time"],
    ["a number out of range", { host: "a", devices: [{ points: [{ ...point, address: 65_536 }] }] }, "the number 65536"],
    ["a value beyond the last register", { host: "a", devices: [{ points: [{ ...point, address: 65_535, type: "f32" }] }] }, "the address 65535"],
    ["a coil of two registers", { host: "a", devices: [{ points: [{ ...point, table: "coil", type: "u32" }] }] }, "u32 of a coil"],
    ["a bit of a coil", { host: "a", devices: [{ points: [{ ...point, table: "coil", bit: 1 }] }] }, "a coil with a bit"],
    ["a register as bool", { host: "a", devices: [{ points: [{ ...point, type: "bool" }] }] }, "bool of a register without its bit"],
    ["text without its length", { host: "a", devices: [{ points: [{ ...point, type: "ascii" }] }] }, "ascii without its length"],
    ["a mask of 32 bits", { host: "a", devices: [{ points: [{ ...point, type: "u32", mask: 1 }] }] }, "a mask of u32"],
    ["a state without its words", { host: "a", devices: [{ points: [{ address: 0, signal: "execution" }] }] }, "execution without a value table"],
    ["a value table that no register can meet", { host: "a", devices: [{ points: [{ ...point, values: { "0x01": "a" } }] }] }, 'the raw value "0x01"'],
    ["a value table that no bit can meet", { host: "a", devices: [{ points: [{ ...point, table: "coil", values: { 2: "a" } }] }] }, 'the raw value "2"'],
  ])("%s", (_, keys, found) => {
    const decoded = decode(MODBUS_SHAPE, keys);
    expect(decoded.ok ? [] : decoded.problems.map((problem) => problem.found)).toContain(found);
  });
});
