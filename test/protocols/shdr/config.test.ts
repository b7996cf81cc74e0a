/** The keys of an SHDR source: the example loads, and what does not fit together is said where it stands. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { expect, it } from "vitest";
import { decode, inWords } from "../../../agent/contract/shape.ts";
import { SHDR_SHAPE } from "../../../protocols/shdr/config.ts";
import { shdr } from "../../../protocols/shdr/driver.ts";
import { KEY_ROWS } from "../../../protocols/shdr/signals.ts";
import { config } from "./reading.ts";

it("the example", () => {
  const { type, ...keys } = parse(readFileSync(new URL("../../../protocols/shdr/example.yaml", import.meta.url), "utf8")) as Record<string, unknown>;
  expect(type).toBe("shdr");
  expect(shdr.summary?.(config(keys))).toBe("10.0.7.31:7878");
  expect(config(keys).map?.["p1Fact"]).toEqual({ signal: "feedrate", unit: "MILLIMETER/MINUTE" });
});

it("an address of six", () => {
  expect(shdr.summary?.(config({ host: "fd00::7", devices: "d.xml", device: "MILL", path: 2 }))).toBe("[fd00::7]:7878, device MILL, path 2");
});

it.each([
  [{}, 'the key "host" is missing'],
  [{ host: "mill 3" }, 'host: found the host "mill 3"'],
  [{ host: "h", device: "MILL" }, "device: found device without devices"],
  [{ host: "h", path: 2 }, "path: found path without devices"],
  [{ host: "h", map: { x: "executing" } }, "map.x: found the text"],
  [{ host: "h", map: { x: { signal: "tool", unit: "INCH" } } }, 'map.x.unit: found the unit "INCH" for tool, expected no unit'],
  [{ host: "h", map: { x: { signal: "feedrate", unit: "INCH" } } }, "expected one of MILLIMETER/SECOND"],
  [{ host: "h", map: { a: "program", b: "program" } }, 'map.b: found program, which "a" is already'],
])("%j", (keys, words) => {
  const decoded = decode(SHDR_SHAPE, keys);
  expect(decoded.ok ? "" : decoded.problems.map(inWords).join("\n")).toContain(words);
});

it("two paths may have a program each, and conditions are as many as there are", () => {
  expect(decode(SHDR_SHAPE, { host: "h", map: { a: "program", b: { signal: "program", path: 2 }, c: "alarm", d: "alarm" } }).ok).toBe(true);
});

it("usual names say where they are from, and none stands twice", () => {
  expect(KEY_ROWS.filter(({ source }) => !source.startsWith("§"))).toEqual([]);
  const keys = KEY_ROWS.flatMap((row) => row.keys);
  expect(keys.filter((key, place) => keys.indexOf(key) !== place || key !== key.toLowerCase())).toEqual([]);
});
