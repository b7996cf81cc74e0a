/** docs/configuration.md is one complete file, block after block: it loads, and it leaves out no key of the real kinds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { explain } from "../../../agent/config/explain.ts";
import { configurationSchema } from "../../../agent/config/json-schema.ts";
import { decodeConfiguration } from "../../../agent/config/load.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../../agent/registry.ts";
import { HOST } from "./kinds.ts";

const KINDS = { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS };
const blocks = [...readFileSync(join(import.meta.dirname, "../../../docs/configuration.md"), "utf8").matchAll(/^```yaml\n([^]*?)^```$/gm)].map((match) => match[1] ?? "");
// Keys that exclude others stand there as comments.
const text = blocks.join("\n");
const commented = text.replaceAll(/^( +)# (\w+: .*)$/gm, "$1$2");

type Node = Readonly<Record<string, unknown>>;
/** Kinds of sources have keys of the same name: `machines[].sources[](modbus).interval`. */
const ofKind = (path: string, kind: unknown): string => (path.endsWith(".sources[]") && typeof kind === "string" ? `${path}(${kind})` : path);
/** Every path of the schema: `machines[].cycle.minimum`, and its default where it has one. */
function keysOf(schema: Node, above: string): [string, unknown][] {
  const path = ofKind(above, (schema["properties"] as Record<string, Node> | undefined)?.["type"]?.["const"]);
  const parts = [...((schema["anyOf"] ?? schema["oneOf"] ?? []) as Node[])];
  const inner = parts.flatMap((part) => keysOf(part, path));
  if (schema["items"] !== undefined) inner.push(...keysOf(schema["items"] as Node, `${path}[]`));
  for (const [name, property] of Object.entries((schema["properties"] ?? {}) as Record<string, Node>)) inner.push([`${path}.${name}`, property["default"]], ...keysOf(property, `${path}.${name}`));
  if (typeof schema["additionalProperties"] === "object") inner.push(...keysOf(schema["additionalProperties"] as Node, `${path}.*`));
  return inner;
}
/** The same paths out of a file's values, with the first value at each. */
function pathsOf(value: unknown, above: string, known: Map<string, unknown>): Map<string, unknown> {
  const path = ofKind(above, typeof value === "object" && value !== null && "type" in value ? value.type : undefined);
  if (Array.isArray(value)) for (const entry of value as unknown[]) pathsOf(entry, `${path}[]`, known);
  else if (typeof value === "object" && value !== null) for (const [key, entry] of Object.entries(value)) {
    const here = path === ".calendars" || path.endsWith(").map") ? `${path}.*` : `${path}.${key}`;
    if (!known.has(here)) known.set(here, entry);
    pathsOf(entry, here, known);
  }
  return known;
}
const documented = pathsOf(parse(commented), "", new Map());
/** A calendar may also be written at the machine; secrets may lie in three places, which the text shows. */
const ELSEWHERE = /^\.machines\[\]\.shifts\.|\.password\./;
/** Keys that every kind of source has are shown at the first. */
const SHARED = /^(\.machines\[\]\.sources\[\])\(\w+\)(\.(?:name|time|clock_tolerance|refill_hold)\b.*)$/;
const shown = (path: string): boolean => documented.has(path.replace(SHARED, "$1(mtconnect)$2"));

describe("docs/configuration.md", () => {
  it("is a good file, without warnings", () => {
    const loaded = decodeConfiguration(text, "docs/configuration.md", KINDS, HOST);
    expect(explain(loaded.ok ? loaded.warnings : loaded.problems, { colours: false })).toBe("");
  });
  it("shows every key", () => {
    const missing = keysOf(configurationSchema(KINDS), "").map(([path]) => path).filter((path) => !ELSEWHERE.test(path) && !shown(path));
    expect(missing).toEqual([]);
  });
  it("says the defaults as they are", () => {
    const lines = text.split("\n");
    const said = keysOf(configurationSchema(KINDS), "").filter(([path, fallback]) => fallback !== undefined && typeof fallback !== "object" && !ELSEWHERE.test(path)).filter(([path]) => lines.some((line) => line.trim().startsWith(`${path.split(".").at(-1) ?? ""}:`) && line.includes("# default")));
    expect(said.length).toBeGreaterThan(20);
    for (const [path, fallback] of said.filter(([path]) => !SHARED.test(path) || path.includes("(mtconnect)"))) expect([path, documented.get(path)]).toEqual([path, fallback]);
  });
});
