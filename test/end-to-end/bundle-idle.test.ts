/**
 * A driver that is not configured costs nothing: of it the built agent loads what reads its keys in the YAML, and nothing
 * else, and no package. Seen by what Node loaded; the source maps tell which files of ours that was.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { SOURCE_KINDS } from "../../agent/registry.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { SHIFT_DEVICES } from "../../agent/simulate/modbus/shift.ts";
import { simulateModbus } from "../../agent/simulate/modbus/start.ts";
import { startMTConnectAgent } from "../../agent/simulate/mtconnect/agent.ts";
import { shiftModel } from "../../agent/simulate/mtconnect/feeds/shift.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";

const root = join(import.meta.dirname, "../..");
const hook = pathToFileURL(join(import.meta.dirname, "../support/modules-loaded.ts")).href;
/** Packages for sources; serialport has more of its own. */
const PACKAGES = /^(?:xml2js|modbus-serial|serialport|node-opcua.*)$/u;

/** Files of ours, from the root, and paths of packages, that the agent loaded with this source alone until it was connected and stopped. */
async function loadedWith(source: string): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-idle-"));
  try {
    const [file, list] = [join(folder, "cellgate.yaml"), join(folder, "loaded")];
    writeFileSync(file, `agent: {id: cell-7, timezone: UTC, environment: test, data_dir: ${folder}/data}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines: [{id: VMC-3, sources: [${source}]}]
`);
    await using agent = runBundle(await builtBundle(), ["run", "--config", file], { NODE_OPTIONS: `--import ${hook}`, MODULES_LOADED: list });
    await agent.until((out) => out.includes("source connected"), 30_000);
    expect(await agent.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    return [...new Set(readFileSync(list, "utf8").split("\n").flatMap(sourcesOf))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of a part of the bundle: the files it is made of; else its own path. */
function sourcesOf(url: string): readonly string[] {
  const path = url.startsWith("file:") ? fileURLToPath(url) : url;
  if (!path.startsWith(join(root, "dist"))) return [path];
  const { sources } = JSON.parse(readFileSync(`${path}.map`, "utf8")) as { readonly sources: readonly string[] };
  return sources.map((source) => source.replace(/^(?:\.\.\/)+/u, ""));
}

/** The file and all that it imports at once, types left out. */
function closure(path: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, target = ""] of readFileSync(join(root, path), "utf8").matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]+)"/gmu)) closure(normalize(join(dirname(path), target)), found);
  return found;
}

/** What was loaded of the other kinds beyond the reading of their keys, and packages for sources. */
function needless(kind: string, loaded: readonly string[]): { readonly files: readonly string[]; readonly packages: ReadonlySet<string> } {
  const others = SOURCE_KINDS.map((one) => one.kind).filter((one) => one !== kind);
  const allowed = new Set(others.flatMap((one) => [`protocols/${one}/driver.ts`, ...closure(`protocols/${one}/config.ts`)]));
  const names = loaded.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/u.exec(path)?.[1] ?? "");
  return {
    files: loaded.filter((path) => others.some((one) => path.startsWith(`protocols/${one}/`)) && !allowed.has(path)),
    packages: new Set(names.filter((name) => PACKAGES.test(name))),
  };
}

it("an agent with MTConnect alone", async () => {
  const machine = await startMTConnectAgent({ model: shiftModel("VMC-3"), clock: systemClock(), instanceId: "1" });
  try {
    const loaded = await loadedWith(`{type: mtconnect, url: "${machine.url}"}`);
    expect(loaded).toContain("protocols/mtconnect/session.ts");
    expect(needless("mtconnect", loaded)).toEqual({ files: [], packages: new Set(["xml2js"]) });
  } finally {
    await machine.close();
  }
}, 60_000);

it("an agent with Modbus TCP alone", async () => {
  const simulation = await simulateModbus({ clock: systemClock(), network: systemClock(), place: { host: "127.0.0.1" } });
  try {
    const loaded = await loadedWith(JSON.stringify({ type: "modbus", host: "127.0.0.1", port: simulation.port, devices: SHIFT_DEVICES }));
    expect(loaded).toContain("protocols/modbus/session.ts");
    expect(needless("modbus", loaded)).toEqual({ files: [], packages: new Set(["modbus-serial"]) });
  } finally {
    await simulation.close();
  }
}, 60_000);
