import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRegisters, registersOf, type Type } from "../../../protocols/modbus/decode.ts";
import { planReads, splitBlock, type Limits } from "../../../protocols/modbus/plan.ts";
import { pointName, QUANTITIES } from "../../../protocols/modbus/signals.ts";
import { PROFILES, profilePoints } from "../../../protocols/modbus/profiles/profiles.ts";
import type { ModbusPoint } from "../../../protocols/modbus/point-shape.ts";
import type { Table } from "../../../protocols/modbus/tables.ts";
import { config } from "./reading.ts";

const at = (address: number, type: Type = "u16", table: Table = "holding"): ModbusPoint => ({ signal: `point/${table}${address}`, table, address, type });
const shown = (points: readonly ModbusPoint[], limits: Partial<Limits> = {}): readonly string[] =>
  planReads(points, { gap: 8, maxBlock: 125, ...limits }).map(({ table, address, count, points: inside }) => `${table} ${address}+${count} (${inside.length})`);

describe("planned reads", () => {
  it.each<[string, readonly ModbusPoint[], Partial<Limits>, readonly string[]]>([
    ["neighbours together", [at(0), at(1), at(2)], {}, ["holding 0+3 (3)"]],
    ["in any order", [at(2), at(0), at(1)], {}, ["holding 0+3 (3)"]],
    ["a gap is read along", [at(0), at(9)], {}, ["holding 0+10 (2)"]],
    ["a larger one is not", [at(0), at(10)], {}, ["holding 0+1 (1)", "holding 10+1 (1)"]],
    ["none, where the device refuses it", [at(0), at(2), at(3)], { gap: 0 }, ["holding 0+1 (1)", "holding 2+2 (2)"]],
    ["tables apart", [at(0), at(0, "u16", "input"), at(0, "bool", "coil"), at(0, "bool", "discrete")], {}, ["coil 0+1 (1)", "discrete 0+1 (1)", "holding 0+1 (1)", "input 0+1 (1)"]],
    ["at most 125 registers", Array.from({ length: 126 }, (_, n) => at(n)), {}, ["holding 0+125 (125)", "holding 125+1 (1)"]],
    ["a value is never cut", [...Array.from({ length: 124 }, (_, n) => at(n)), at(124, "f32")], {}, ["holding 0+124 (124)", "holding 124+2 (1)"]],
    ["at most what the device gives", [at(0, "f32"), at(2, "f32"), at(4, "f32")], { maxBlock: 4 }, ["holding 0+4 (2)", "holding 4+2 (1)"]],
    ["at most 2,000 coils", [at(0, "bool", "coil"), at(1_999, "bool", "coil"), at(2_000, "bool", "coil")], { gap: 125 }, ["coil 0+2000 (2)", "coil 2000+1 (1)"]],
    ["two points on one register", [at(5, "u32"), at(5), at(6)], {}, ["holding 5+2 (3)"]],
  ])("%s", (_, points, limits, blocks) => {
    expect(shown(points, limits)).toEqual(blocks);
  });

  it("whatever the points: each is in one block, whole, and no block is longer than it may be", () => {
    const point = fc.record({ address: fc.integer({ min: 0, max: 400 }), type: fc.constantFrom<Type>("u16", "f32", "f64"), table: fc.constantFrom<Table>("holding", "input") });
    fc.assert(fc.property(fc.array(point, { maxLength: 60 }), fc.integer({ min: 0, max: 30 }), fc.integer({ min: 4, max: 125 }), (drawn, gap, maxBlock) => {
      const points = drawn.map(({ address, type, table }, index): ModbusPoint => ({ ...at(address, type, table), signal: `point/n${index}` }));
      const blocks = planReads(points, { gap, maxBlock });
      expect(blocks.flatMap((block) => block.points.map(({ signal }) => signal)).toSorted()).toEqual(points.map(({ signal }) => signal).toSorted());
      for (const block of blocks) {
        expect(block.count).toBeLessThanOrEqual(maxBlock);
        for (const { address, type, table } of block.points) expect([table, address >= block.address, address + registersOf(type) <= block.address + block.count]).toEqual([block.table, true, true]);
        // A refused block, read place by place, still gives every point.
        expect(splitBlock(block).flatMap((one) => one.points).length).toBe(block.points.length);
      }
    }), { seed: 20_260_105 });
  });

  it("a refused block is split into its places", () => {
    const [block] = planReads([at(5, "u32"), at(5), at(9), { ...at(9), signal: "point/again" }], { gap: 8, maxBlock: 125 });
    expect(block && splitBlock(block).map(({ address, count, points }) => `${address}+${count} (${points.length})`)).toEqual(["5+2 (1)", "5+1 (1)", "9+1 (2)"]);
  });
});

describe("devices by name", () => {
  it.each(Object.entries(PROFILES))("%s: rows that fit together, within the limits, with their source", (_, profile) => {
    expect(profile.source).toMatch(/^§7\.\d+$/u);
    const points = profilePoints(profile, {});
    expect(new Set(points.map(({ signal }) => signal)).size).toBe(points.length);
    // No two values overlap: a slip of the finger in an address would.
    const taken = points.flatMap(({ address, type }) => Array.from({ length: registersOf(type) }, (__, n) => address + n));
    expect(new Set(taken).size).toBe(taken.length);
    for (const { count } of planReads(points, { gap: profile.gap ?? 16, maxBlock: profile.maxBlock ?? 125 })) expect(count).toBeLessThanOrEqual(profile.maxBlock ?? 125);
  });

  it("the SDM630 in one block but for its total energy, as the fact sheet says", () => {
    const profile = PROFILES["eastron-sdm630"];
    if (profile === undefined) throw new Error("no such profile");
    expect(shown(profilePoints(profile, {}), { gap: 16, maxBlock: 80 })).toEqual(["input 0+76 (25)", "input 342+2 (1)"]);
  });

  it("kW become W, and names carry the device's", () => {
    const { devices } = config({ host: "10.0.0.1", devices: [{ profile: "schneider-iem3000", only: ["power_total"], name: "line" }] });
    expect(devices[0]?.points).toEqual([{ signal: "point/line_power_total", table: "holding", order: "ABCD", address: 0x0bf3, type: "f32", scale: 1_000, unit: "W" }]);
  });

  it("quantities say where they are from", () => {
    for (const [name, { source, unit }] of Object.entries(QUANTITIES)) expect([name, source.startsWith("§7"), /^(?:V|A|W|VA|var|Hz|Wh|Ah|mA|)$/u.test(unit)]).toEqual([name, true, true]);
    expect([pointName("power", "total"), pointName("frequency", "")]).toEqual(["power_total", "frequency"]);
  });

  it("an analogue input's range: 4 mA at 0, 20 mA at 65535", () => {
    const [input] = config({ host: "10.0.0.1", devices: [{ profile: "adam-6017-4-20ma" }] }).devices[0]?.points ?? [];
    const raw = decodeRegisters(Buffer.from("ffff", "hex"), { type: "u16", order: "ABCD" });
    expect([input?.offset, (input?.offset ?? 0) + Number(raw) * (input?.scale ?? 0)]).toEqual([4, 20]);
  });
});
