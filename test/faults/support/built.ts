/**
 * The processes under test, bundled once per harness: they start in a third of the time, and what is edited meanwhile
 * does not change a run that has begun. Inside the tree, because better-sqlite3 stays a package beside them.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { once } from "./once.ts";

const ROOT = join(import.meta.dirname, "../../..");
const FOLDER = join(ROOT, "node_modules", ".cache", "cellgate", `faults-${process.pid}`);
const SOURCES = {
  "storage-process": "test/faults/support/storage-process.ts",
  "tapped-agent": "test/faults/support/tapped-agent.ts",
  /** The agent as it is. */
  agent: "agent/start.ts",
} as const;
export type Program = keyof typeof SOURCES;

/** Path of the bundle. */
export const built = once(async (program: Program): Promise<string> => {
  mkdirSync(FOLDER, { recursive: true });
  process.once("exit", () => rmSync(FOLDER, { recursive: true, force: true }));
  const outfile = join(FOLDER, `${program}.mjs`);
  await build({
    absWorkingDir: ROOT, entryPoints: [SOURCES[program]], outfile, bundle: true, platform: "node", format: "esm", target: "node24",
    external: ["better-sqlite3"], sourcemap: "inline", logLevel: "warning",
    banner: { js: 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);' },
  });
  return outfile;
});
