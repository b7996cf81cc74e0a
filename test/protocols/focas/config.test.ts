/** The YAML keys of a FOCAS source: what is refused, in which words; and the example of the folder. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { decode, isRecord } from "../../../agent/contract/shape.ts";
import { FOCAS_SHAPE } from "../../../protocols/focas/config.ts";
import { focas } from "../../../protocols/focas/driver.ts";

const problemsOf = (keys: Readonly<Record<string, unknown>>): readonly string[] => {
  const decoded = decode(FOCAS_SHAPE, { host: "10.0.7.31", ...keys });
  return decoded.ok ? [] : decoded.problems.map(({ path, found, expected }) => `${path.join(".")}: ${found}; ${expected}`);
};

describe("refused", () => {
  it.each<[Readonly<Record<string, unknown>>, string]>([
    [{ host: "10.0.7.321" }, "host: the host"], [{ port: 0 }, "port:"], [{ interval: "50ms" }, "interval:"], [{ interval: "10s" }, "slow_interval: a slow interval shorter than the interval"],
    [{ text: "utf-8" }, "text:"], [{ overrides: { feed: "Q12" } }, "overrides.feed:"], [{ positions: ["tool"] }, "positions.0:"],
    [{ points: [{ signal: "point/a" }] }, "points.0: a point that says nowhere where it lies"],
    [{ points: [{ signal: "point/a", macro: 500, pmc: "R100" }] }, "points.0: a point that lies in macro and pmc"],
    [{ points: [{ signal: "point/a", pmc: "R100.9" }] }, "points.0.pmc:"], [{ points: [{ signal: "point/a", pmc: "R100.1", as: "word" }] }, "points.0.as: one bit as a word"],
    [{ points: [{ signal: "door", pmc: "R100.1" }] }, "points.0.signal: door without a value table"],
    [{ points: [{ signal: "point/a", macro: 1 }, { signal: "point/a", macro: 2 }] }, "points.1.signal: the signal point/a a second time"],
    [{ path: 1, points: [{ signal: "point/a", macro: 1, path: 2 }] }, "points.0.path: path 2 in a source that reads path 1 alone"],
  ])("%j", (keys, words) => {
    expect(problemsOf(keys).join("\n")).toContain(words);
  });
});

it("one bit, two alarms and two paths are no slips", () => {
  expect(problemsOf({ points: [
    { signal: "point/a", pmc: "R100.1", path: 1 }, { signal: "point/a", pmc: "R100.1", path: 2 },
    ...["A", "B"].map((code) => ({ signal: "alarm", pmc: "R200.0", alarm: { code } })),
  ] })).toEqual([]);
});

it("the example loads, and says in one line what it reads", () => {
  const example: unknown = parse(readFileSync(join(import.meta.dirname, "../../../protocols/focas/example.yaml"), "utf8"));
  if (!isRecord(example)) throw new Error("no group of keys");
  const { type, ...keys } = example;
  const decoded = decode(FOCAS_SHAPE, keys);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  expect([type, focas.summary?.(decoded.value)]).toEqual(["focas", "10.0.7.31:8193"]);
});
