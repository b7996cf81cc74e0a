/**
 * One file for devices: `agent/main.ts` and all it imports → `dist/cellgate.mjs` (ESM, Node 24, source map beside it).
 * Unbundled packages cost 10 MB of memory for mqtt alone (runtime.md §2). Names are kept, so that a stack trace from the
 * field can be read. better-sqlite3 is native and stays a package beside the bundle.
 * Nothing made for tests may get in: a broker or a test helper inside is an error, not a warning.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";

const root = dirname(import.meta.dirname);
const NEVER_INSIDE = /(^|\/)node_modules\/(aedes|vitest|fast-check|ajv|esbuild)\/|^test\//;

const { values } = parseArgs({
  options: {
    entry: { type: "string", default: join(root, "agent", "main.ts") },
    out: { type: "string", default: join(root, "dist", "cellgate.mjs") },
    inputs: { type: "boolean", default: false },
  },
});

async function bundle(entry: string, out: string): Promise<Metafile> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: out,
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    target: "node24",
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: "external",
    legalComments: "none",
    external: ["better-sqlite3"],
    // CommonJS packages inside an ES module still call require for Node's own modules.
    banner: { js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);' },
    logLevel: "warning",
  });
  const strangers = Object.keys(result.metafile.inputs).filter((path) => NEVER_INSIDE.test(path));
  if (strangers.length > 0) throw new Error(`The bundle would hold what is for tests only: ${strangers.slice(0, 5).join(", ")}. Something the agent imports reaches it.`);
  await mkdir(dirname(out), { recursive: true });
  for (const file of result.outputFiles) await replace(file.path, file.contents);
  return result.metafile;
}

/** Whole or not at all: an agent may be started, or a second build run, at any moment. */
async function replace(path: string, contents: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}`);
  await writeFile(temporary, contents);
  await rename(temporary, path);
}

const kilobytes = (bytes: number): string => `${Math.round(bytes / 1024)} KB`;

/** Bytes in the bundle per package, largest first. */
function shares(metafile: Metafile): readonly (readonly [string, number])[] {
  const totals = new Map<string, number>();
  for (const output of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? "our own";
      totals.set(name, (totals.get(name) ?? 0) + bytesInOutput);
    }
  }
  return [...totals].filter(([, bytes]) => bytes > 0).sort(([, left], [, right]) => right - left);
}

const metafile = await bundle(values.entry, values.out);
const built = await readFile(values.out);
const parts = shares(metafile);
const shown = values.inputs ? parts : parts.slice(0, 5);
console.error(`Built ${values.out.startsWith(root) ? values.out.slice(root.length + 1) : values.out}: ${kilobytes(built.length)} (${kilobytes(gzipSync(built).length)} compressed): ${shown.map(([name, bytes]) => `${name} ${kilobytes(bytes)}`).join(", ")}${parts.length > shown.length ? ", …" : ""}`);
