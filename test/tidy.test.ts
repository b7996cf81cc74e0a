/**
 * What lint cannot see (style-anchors.md §2): who imports whom over the whole tree, folders that are complete, tables
 * that cite their sources, names, headers, and nothing in the repository that belongs to one machine or one registry.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../agent/registry.ts";
import { SIGNAL_ROWS, SPINDLE_ROWS } from "../protocols/shared/mtconnect/signals.ts";

const root = dirname(import.meta.dirname);
const git = (...args: readonly string[]): readonly string[] => execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\n").filter((line) => line !== "");
/** Tracked, or new and not ignored; a file just deleted is neither. */
const files = git("ls-files", "--cached", "--others", "--exclude-standard").filter((path) => existsSync(join(root, path)));
const sources = files.filter((path) => /^(agent|protocols|sensors|buffer|deploy|test)\/.*\.ts$/.test(path));
/** This file must name what it looks for. */
const others = files.filter((path) => path !== "test/tidy.test.ts");
const text = (path: string): string => readFileSync(join(root, path), "utf8");

/** What a file imports, as paths from the root; packages by their names. */
function importsOf(path: string): readonly string[] {
  const found = text(path).matchAll(/(?:^|\n)\s*(?:import|export)[^"';]*?from\s*"([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import\s*"([^"]+)"/g);
  return [...found].map(([, one, two, three]) => one ?? two ?? three ?? "").map((target) => (target.startsWith(".") ? normalize(join(dirname(path), target)) : target));
}

/** Style-anchors §2.2: files that match the first may import only what matches one of the rest (packages by name). */
const LAYERS: readonly (readonly [string, RegExp, readonly RegExp[]])[] = [
  ["the contract", /^agent\/contract\//, [/^agent\/contract\//]],
  ["detectors", /^agent\/detect\//, [/^agent\/(contract|detect)\//, /^node:crypto$/]],
  ["the audit", /^agent\/audit\//, [/^agent\/audit\//, /^agent\/contract\/record\.ts$/, /^node:crypto$/]],
  ["the simulated OPC UA server", /^agent\/simulate\/opcua\//, [/^agent\/(contract|simulate)\//, /^node:/, /^node-opcua-(server|client|certificate-manager)$/]],
  ["simulators", /^agent\/simulate\/(?!opcua\/)/, [/^agent\/(contract|simulate)\//, /^node:/]],
  ["drivers", /^protocols\//, [/^agent\/contract\//, /^protocols\//, /^node:/, /^(xml2js|serialport|modbus-serial|node-opcua-client|node-opcua-certificate-manager|node-opcua-transport)$/]],
  ["the buffer", /^buffer\//, [/^agent\/contract\//, /^buffer\//, /^node:/, /^(better-sqlite3|mqtt|ws|@bufbuild\/protobuf\/wire)$/]],
  ["configuration, runtime and commands", /^agent\/(config|runtime|cli)\//, [/^agent\/(contract|detect|config|runtime|cli|simulate|audit)\//, /^agent\/version\.ts$/, /^node:/, /^(yaml|pino)$/]],
];

describe("who imports whom", () => {
  it.each(LAYERS)("%s", (_, from, allowed) => {
    const strangers = sources.filter((path) => from.test(path)).flatMap((path) => importsOf(path).filter((target) => !allowed.some((rule) => rule.test(target))).map((target) => `${path} imports ${target}`));
    expect(strangers).toEqual([]);
  });

  it("a driver imports no other driver", () => {
    const kindOf = (path: string): string | undefined => /^protocols\/([^/]+)\//.exec(path)?.[1];
    const crossing = sources.filter((path) => kindOf(path) !== undefined).flatMap((path) =>
      importsOf(path).filter((target) => kindOf(target) !== undefined && kindOf(target) !== kindOf(path) && kindOf(target) !== "shared").map((target) => `${path} imports ${target}`));
    expect(crossing).toEqual([]);
  });

  it("nothing imports a test", () => {
    const product = sources.filter((path) => !path.startsWith("test/"));
    expect(product.filter((path) => importsOf(path).some((target) => target.startsWith("test/")))).toEqual([]);
  });
});

describe("folders", () => {
  it("a driver's folder is complete, and the registry knows it", () => {
    const kinds = [...new Set(sources.map((path) => /^protocols\/([^/]+)\//.exec(path)?.[1]).filter((kind) => kind !== undefined && kind !== "shared"))];
    expect(kinds.length).toBeGreaterThan(0);
    // MTConnect's own names are the vocabulary that shdr needs, too: they lie in protocols/shared.
    const pathOf = (kind: string | undefined, name: string): string => (name === "signals.ts" && kind === "mtconnect" ? "protocols/shared/mtconnect/signals.ts" : `protocols/${String(kind)}/${name}`);
    const missing = kinds.flatMap((kind) => ["driver.ts", "config.ts", "signals.ts", "example.yaml", "README.md"].map((name) => pathOf(kind, name)).filter((path) => !existsSync(join(root, path))));
    expect(missing).toEqual([]);
    expect(new Set(SOURCE_KINDS.map(({ kind }) => kind))).toEqual(new Set(kinds));
    expect(DESTINATION_KINDS.length).toBeGreaterThan(0);
  });

  it("every kind of source runs the list of what a driver must do", () => {
    const runs = (kind: string): boolean => {
      const path = `test/protocols/${kind}/conformance.test.ts`;
      return existsSync(join(root, path)) && importsOf(path).includes(`protocols/${kind}/driver.ts`) && new RegExp(`\\bdriverConformance\\([^;]*\\b${kind}\\.create\\(|\\bdriverConformance\\([^;]*\\bdriver\\(`).test(text(path));
    };
    expect(SOURCE_KINDS.map(({ kind }) => kind).filter((kind) => !runs(kind))).toEqual([]);
  });

  it("protocol tables say where each row is from", () => {
    expect([...SIGNAL_ROWS, ...SPINDLE_ROWS].filter(({ source }) => !source.startsWith("§")).map(({ signal, type }) => `${signal} ${type}`)).toEqual([]);
  });
});

describe("names and texts", () => {
  it("files are kebab-case and named for what they hold", () => {
    expect(sources.filter((path) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(path))).toEqual([]);
    expect(sources.filter((path) => /(^|[/-])(manager|helpers?|utils?|handlers?|common|misc)([/.-]|$)/.test(path))).toEqual([]);
  });

  it("every file says what it promises before its first line of code; a test's titles do", () => {
    const silent = sources.filter((path) => !path.endsWith(".test.ts")).filter((path) => {
      const before = text(path).split("\n").findIndex((line) => /^\s*(export|const|function|class|interface|type|describe)\b/.test(line));
      return !text(path).split("\n").slice(0, before < 0 ? undefined : before).join("\n").includes("/**");
    });
    expect(silent).toEqual([]);
  });

  it("nothing is left for later, skipped or silenced", () => {
    const words = /\b(TODO|FIXME|HACK)\b|@ts-(ignore|nocheck|expect-error)|(es|ox)lint-disable|\b(it|test|describe)\.(todo|only|skip)\(/;
    expect(others.filter((path) => /\.(ts|mjs)$/.test(path) && words.test(text(path)))).toEqual([]);
  });

  it("no file tells of one machine or one registry", () => {
    const places = /\/work\/(main|shared|\.)|registry\.npmjs|deb\.debian|\/home\/[a-z]+\//;
    const own = others.filter((path) => path !== "package-lock.json");
    expect(own.filter((path) => places.test(text(path)))).toEqual([]);
    expect(text("package-lock.json")).not.toMatch(/"resolved":/);
  });

  it("versions are exact: what was tested is what is installed", () => {
    const manifest = JSON.parse(text("package.json")) as Readonly<Record<string, Readonly<Record<string, string>>>>;
    const all = Object.entries({ ...manifest["dependencies"], ...manifest["devDependencies"], ...manifest["optionalDependencies"] });
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
