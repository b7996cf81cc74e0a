/** Our own preloaded libraries, compiled once per harness: the write recorder of test/power-cut, and the failing disk of this folder. */
import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findTool } from "../../support/needs.ts";
import { once } from "./once.ts";

const ROOT = join(import.meta.dirname, "../../..");
const SOURCES = { recorder: "test/power-cut/recorder.c", "failing-disk": "test/faults/support/failing-disk.c" } as const;

/** Path of the library, for LD_PRELOAD. */
export const shim = once(async (name: keyof typeof SOURCES): Promise<string> => {
  const folder = join(ROOT, "node_modules", ".cache", "cellgate");
  mkdirSync(folder, { recursive: true });
  const library = join(folder, `${name}-${process.pid}.so`);
  await promisify(execFile)(findTool("gcc") ?? "gcc", ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, join(ROOT, SOURCES[name]), "-ldl", "-lpthread"]);
  process.once("exit", () => rmSync(library, { force: true }));
  return library;
});
