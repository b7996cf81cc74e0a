/** The keys of a Haas source: the example loads, and what does not fit together is said where it stands. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { expect, it } from "vitest";
import { decode, inWords } from "../../../agent/contract/shape.ts";
import { HAAS_SHAPE } from "../../../protocols/haas/config.ts";
import { haas } from "../../../protocols/haas/driver.ts";
import { config } from "./reading.ts";

it("the example", () => {
  const { type, ...keys } = parse(readFileSync(new URL("../../../protocols/haas/example.yaml", import.meta.url), "utf8")) as Record<string, unknown>;
  expect(type).toBe("haas");
  expect(haas.summary?.(config(keys))).toBe("10.0.7.22:5051");
});

it("a serial line has an older control's usual settings", () => {
  expect(config({ serial: { path: "/dev/serial/by-id/x" } })).toMatchObject({ serial: { baud: 9_600, parity: "even", data_bits: "7", stop_bits: "1", xon: true }, counter: 1, interval: 1_000 });
});

it.each([
  [{}, "found neither host nor serial, expected one of them"],
  [{ host: "h", serial: { path: "/dev/x" } }, "found host and serial together"],
  [{ host: "10.0.7.321" }, 'host: found the host "10.0.7.321"'],
  [{ host: "h", counter: 3 }, "counter: found the number 3"],
  [{ host: "h", words: { RUN: "GOING" } }, "words.RUN: found the text"],
  [{ host: "h", variables: [{ variable: 0, signal: "tool" }] }, "variables.0.variable: found the number 0"],
  [{ host: "h", variables: [{ variable: 1, signal: "execution" }] }, "variables.0.signal: found execution without a value table"],
  [{ host: "h", variables: [{ variable: 1, signal: "tool" }, { variable: 2, signal: "tool" }] }, "variables.1.signal: found tool a second time"],
])("%j", (keys, words) => {
  const decoded = decode(HAAS_SHAPE, keys);
  expect(decoded.ok ? "" : decoded.problems.map(inWords).join("\n")).toContain(words);
});
