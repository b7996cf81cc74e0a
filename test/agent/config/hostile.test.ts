/** Files that mean harm, and files in ruins: bounded time, a problem in words, never a crash. */
import { assert, constantFrom, nat, pre, property, string, stringMatching } from "fast-check";
import { describe, expect, it } from "vitest";
import { explain } from "../../../agent/config/explain.ts";
import { decodeConfiguration, type Loaded } from "../../../agent/config/load.ts";
import type { LocatedProblem } from "../../../agent/config/problem.ts";
import { GOOD, HOST, KINDS } from "./kinds.ts";

const load = (text: string): Loaded => decodeConfiguration(text, "hostile.yaml", KINDS, HOST);
const problemsOf = (loaded: Loaded): readonly LocatedProblem[] => (loaded.ok ? loaded.warnings : loaded.problems);
const shown = (text: string): string => explain(problemsOf(load(text)), { colours: false });
const SIZE = 100_000;
const filled = (piece: string): string => piece.repeat(Math.floor(SIZE / piece.length));

describe("hostile files", () => {
  it("aliases that expand to a billion values are refused before they do", () => {
    const levels = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${Array.from({ length: 10 }, () => `*l${level}`).join(", ")}]`);
    expect(shown(["l0: &l0 [a, a]", ...levels].join("\n"))).toContain("more than 100000 values, counted after aliases are expanded");
  });
  it("an alias to what contains it is refused", () => {
    expect(shown("agent: &a {site: x, again: *a}")).toContain("nested more than 50 deep");
    expect(shown("agent: *nowhere")).toContain('an alias of "nowhere", which is not defined above');
  });
  it.each([["brackets", "["], ["braces", "{a: "], ["dashes", "- "], ["question marks", "? "], ["quotes", "'\""], ["anchors", "&a "], ["bangs", "!!"], ["one word", "a"], ["colons", ": "], ["a word and a colon", "password"]])(
    "a great many %s ends in a problem", (_, piece) => {
      const text = shown(filled(piece));
      expect(text).toMatch(/^hostile\.yaml:\d+:\d+: error/);
      expect(text.length).toBeLessThan(100_000);
    });
  it("a great many aliases take no quadratic time", () => {
    expect(shown(`agent: &a x\nb: [${"*a,".repeat(40_000)}]`)).toContain("unknown key");
  });
  it("an alias stands for the nearest anchor above it", () => {
    const loaded = load(GOOD.replace("site: lyon", "site: &s lyon\n  area: *s\n  cell: &s paris\n  enterprise: *s"));
    expect(loaded.ok && loaded.configuration.agent).toMatchObject({ site: "lyon", area: "lyon", cell: "paris", enterprise: "paris" });
  });
  it("thirty thousand keys take no quadratic time", () => {
    expect(shown(Array.from({ length: 30_000 }, (_, index) => `k${index}: v`).join("\n"))).toContain("and 29");
  });
  it.each(["__proto__", "constructor", "hasOwnProperty", "toString"])("%s is an unknown key like any other", (key) => {
    const text = shown(GOOD.replace("  site: lyon", `  site: lyon\n  ${key}: {timezone: UTC}`).replace("machines:", `${key}: {agent: 1}\nmachines:`));
    expect(text.match(/found: {4}unknown key/g)).toHaveLength(2);
    expect(({} as Record<string, unknown>)["timezone"]).toBeUndefined();
  });
  it("__proto__ is no calendar and no kind", () => {
    expect(shown(`${GOOD}    shifts: __proto__\n`)).toContain('error in machines[0].shifts');
    expect(shown(GOOD.replace("type: mtconnect", "type: __proto__"))).toContain("expected: one of mtconnect, contact");
    expect(shown(GOOD.replace("    url: mqtt://broker", "    url: mqtt://broker\n    type: constructor"))).toContain("expected: one of mqtt");
  });
  it("what could steer a terminal is shown as dots", () => {
    const text = shown(GOOD.replace("site: lyon", "site: 'a\u202eb\u009b31m', 'x\u200b': 1").replace("cell-7", '"\\e[31mred"'));
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u200b-\u200f\u202a-\u202e]/u);
  });
  it("a long line is shown around what is meant only", () => {
    const text = shown(GOOD.replace("site: lyon", `{site: "${"x".repeat(5_000)}", sitee: 1}`).replace("  id: cell-7\n", ""));
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThan(500);
  });
  it("more problems than a person reads are counted", () => {
    expect(shown(`agent: {${Array.from({ length: 300 }, (_, index) => `k${index}: 1`).join(", ")}}`)).toMatch(/… and \d+ more\n$/);
  });
});

describe("a secret in the file is never shown", () => {
  const SECRET = "hunter2";
  it.each([
    ["as it is", "    password: hunter2"],
    ["quoted", '    password: "hunter2 hunter2"'],
    ["with a comma", "    password: 'x,hunter2'"],
    ["a misspelt key", "    pasword: hunter2"],
    ["another key", "    api_key: hunter2"],
    ["in a list", "    password: [hunter2]"],
    ["in braces", "    tls: {passphrase: hunter2, x: 1}"],
    ["in the url", "    uri: mqtt://ann:hunter2@broker"],
    ["before a syntax error", "    password: hunter2: x"],
    ["with a tag", "    password: !secret hunter2"],
    ["an anchor", "    password: &p hunter2"],
    ["a bad escape", '    password: "hunter2\\q"'],
    ["twice", "    password: {file: /x}\n    password: hunter2"],
  ])("%s", (_, lines) => {
    const loaded = load(GOOD.replace("    url: mqtt://broker", `    url: mqtt://broker\n${lines}`));
    expect(loaded.ok).toBe(false);
    expect(JSON.stringify(loaded)).not.toContain(SECRET);
  });
});

describe("random damage", () => {
  const runs = { numRuns: 300 };
  // fast-check prints the seed of a failure.
  it("a typo in a key never crashes and gives a problem with a line", () => {
    const keys = ["id", "site", "name", "url", "sources", "type", "machines", "destinations", "agent"];
    assert(property(constantFrom(...keys), nat(8), stringMatching(/^[a-z_]$/), constantFrom("replace", "insert", "swap"), (key, place, letter, how) => {
      const at = place % key.length;
      const typo = how === "insert" ? key.slice(0, at) + letter + key.slice(at)
        : how === "swap" ? key.slice(0, at) + (key[at + 1] ?? "") + (key[at] ?? "") + key.slice(at + 2)
        : key.slice(0, at) + letter + key.slice(at + 1);
      pre(typo !== key);
      const loaded = load(GOOD.replace(new RegExp(`\\b${key}:`), `${typo}:`));
      expect(loaded.ok).toBe(false);
      expect(problemsOf(loaded).length).toBeGreaterThan(0);
      for (const problem of problemsOf(loaded)) expect(problem.line).toBeGreaterThan(0);
    }), runs);
  });
  it("any damage to the text ends in a configuration or in located problems", () => {
    assert(property(nat(GOOD.length), nat(12), string({ unit: "binary", maxLength: 12 }), (at, length, text) => {
      const damaged = GOOD.slice(0, at) + text + GOOD.slice(at + length);
      const loaded = load(damaged);
      const problems = problemsOf(loaded);
      expect(loaded.ok || problems.length > 0).toBe(true);
      for (const problem of problems) {
        expect(problem.line).toBeLessThanOrEqual(damaged.split("\n").length);
        expect(problem.start).toBeLessThanOrEqual(problem.text.length);
      }
      explain(problems, { colours: true });
    }), runs);
  });
});
