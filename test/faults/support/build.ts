/**
 * Made once per harness, for all runs: the processes of the runs and those under test, bundled, so that they start in a third
 * of the time and what is edited meanwhile changes neither; and our own preloaded libraries, where there is a compiler. Inside the
 * tree, because better-sqlite3 stays a package beside them.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { BESIDE } from "../../../deploy/beside.ts";
import { findTool } from "../../support/needs.ts";
import { BUILT, type Library, type Program } from "./built.ts";

const ROOT = join(import.meta.dirname, "../../..");
const CACHE = join(ROOT, "node_modules", ".cache", "cellgate");
const PROGRAMS: Readonly<Record<Program, string>> = {
  "run-one": "test/faults/run-one.ts",
  "storage-process": "test/faults/support/storage-process.ts",
  "tapped-agent": "test/faults/support/tapped-agent.ts",
  /** As it is. */
  agent: "agent/start.ts",
};
const LIBRARIES: Readonly<Record<Library, string>> = { recorder: "test/power-cut/recorder.c", "failing-disk": "test/faults/support/failing-disk.c" };

/** Told to the processes started from here on; removed when this one ends. */
export async function buildAll(): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "faults-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  process.env[BUILT] = folder;
  const compiler = findTool("gcc");
  await Promise.all([bundle(folder), ...(compiler === null ? [] : [compile(folder, compiler)])]);
}

async function bundle(folder: string): Promise<void> {
  await build({
    absWorkingDir: ROOT, entryPoints: PROGRAMS, outdir: folder, outExtension: { ".js": ".mjs" }, bundle: true, splitting: true, platform: "node", format: "esm", target: "node24",
    external: [...BESIDE, "vitest"], sourcemap: "inline", logLevel: "warning",
    banner: { js: 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);' },
  });
}

async function compile(folder: string, compiler: string): Promise<void> {
  await Promise.all(Object.entries(LIBRARIES).map(([name, source]) =>
    promisify(execFile)(compiler, ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", join(folder, `${name}.so`), join(ROOT, source), "-ldl", "-lpthread"])));
}
