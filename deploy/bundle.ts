/**
 * What devices run: `agent/start.ts` and all it imports → `dist/cellgate.mjs`, which loads its parts from `dist/chunks/`
 * as they are needed (ESM, Node 24, source maps beside them). Native packages stay beside it: better-sqlite3, serialport.
 * Made to cost little memory (docs/benchmarks.md): packages bundled, commands apart from the agent, Node's own modules
 * taken without loading what they hold in reserve. Names are kept, so that a stack trace from the field can be read.
 * Nothing made for tests may get in: a broker or a test helper inside is an error, not a warning.
 */
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { basename, dirname, extname, join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build, type BuildResult, type Metafile, type Plugin } from "esbuild";
import { BESIDE } from "./beside.ts";

const root = dirname(import.meta.dirname);
const NEVER_INSIDE = /(^|\/)node_modules\/(aedes|vitest|fast-check|ajv|esbuild|node-opcua-(?:server|address-space|nodesets))\/|^test\//;

const { values } = parseArgs({
  options: {
    entry: { type: "string", default: join(root, "agent", "start.ts") },
    out: { type: "string", default: join(root, "dist", "cellgate.mjs") },
    inputs: { type: "boolean", default: false },
  },
});

const CHUNKS = "chunks";
/** An agent that is running may still load a part of the build before. */
const KEEP_CHUNKS_MS = 24 * 3_600_000;

/**
 * `import … from "node:http"` makes Node fill every export, those too that it makes only on demand: http then loads all
 * of fetch, 5 MB. Taken as plain objects, they stay unmade.
 */
const builtinsOnDemand: Plugin = {
  name: "builtins-on-demand",
  setup(building) {
    const own = new RegExp(`^(?:node:.+|${builtinModules.filter((name) => /^[a-z]/u.test(name)).join("|")})$`);
    building.onResolve({ filter: own }, ({ path, kind }) => (kind === "import-statement" || kind === "dynamic-import" ? { path, namespace: "builtin" } : undefined));
    building.onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({ contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`, loader: "js" }));
  },
};

/**
 * What packages load beside what we use of them: xml2js its writer, with a library of 100 KB; modbus-serial its other ports,
 * with all of serialport, and its servers; mqtt its ways to connect (we hand it a socket of ours), with a SOCKS client, and
 * timers for browsers; and a copy of Node's own streams, in whose place the package itself offers Node's
 * (READABLE_STREAM=disable).
 */
const LEFT_OUT: readonly { readonly path: RegExp; readonly of: string; readonly instead: string }[] = [
  { path: /^\.\/(?:ports\/(?:testport|rtubufferedport|tcprtubufferedport|telnetport|c701port)|servers\/\w+)$/, of: "/node_modules/modbus-serial/", instead: "module.exports = {};" },
  { path: /^\.\/builder$/, of: "/node_modules/xml2js/", instead: "module.exports = {};" },
  { path: /^\.\/lib\/connect$/, of: "/node_modules/mqtt/build/", instead: "module.exports = {};" },
  { path: /^worker-timers$/, of: "/node_modules/mqtt/build/", instead: "module.exports = {};" },
  { path: /^readable-stream$/, of: "/node_modules/", instead: 'module.exports = process.getBuiltinModule("node:stream");' },
];
const withoutWhatWeDoNotUse: Plugin = {
  name: "without-what-we-do-not-use",
  setup(building) {
    building.onResolve({ filter: new RegExp(LEFT_OUT.map(({ path }) => path.source).join("|")) }, ({ path, importer }) => {
      const index = LEFT_OUT.findIndex((one) => one.path.test(path) && importer.includes(one.of));
      return index < 0 ? undefined : { path, namespace: "left-out", pluginData: index };
    });
    building.onLoad({ filter: /./, namespace: "left-out" }, ({ pluginData }: { readonly pluginData: number }) => ({ contents: LEFT_OUT[pluginData]?.instead ?? "", loader: "js" }));
  },
};

async function bundle(entry: string, out: string): Promise<BuildResult<{ metafile: true; write: false }>> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { [basename(out, extname(out))]: entry },
    outdir: dirname(out),
    outExtension: { ".js": extname(out) },
    chunkNames: `${CHUNKS}/[name]-[hash]`,
    splitting: true,
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
    external: [...BESIDE],
    plugins: [builtinsOnDemand, withoutWhatWeDoNotUse],
    // CommonJS packages inside an ES module still call require for Node's own modules.
    banner: { js: 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);' },
    logLevel: "warning",
  });
  const strangers = Object.keys(result.metafile.inputs).filter((path) => NEVER_INSIDE.test(path));
  if (strangers.length > 0) throw new Error(`The bundle would hold what is for tests only: ${strangers.slice(0, 5).join(", ")}. Something the agent imports reaches it.`);
  const chunks = join(dirname(out), CHUNKS);
  await mkdir(chunks, { recursive: true });
  // What loads the others comes last: until then the build before is whole.
  const rank = ({ path }: { readonly path: string }): number => (path === out ? 1 : 0);
  for (const file of [...result.outputFiles].sort((a, b) => rank(a) - rank(b))) await replace(file.path, file.contents);
  await removeOld(chunks, new Set(result.outputFiles.map(({ path }) => path)));
  return result;
}

async function removeOld(chunks: string, present: ReadonlySet<string>): Promise<void> {
  const before = Date.now() - KEEP_CHUNKS_MS;
  for (const name of await readdir(chunks)) {
    const path = join(chunks, name);
    if (!present.has(path) && (await stat(path)).mtimeMs < before) await rm(path, { force: true });
  }
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

const { metafile, outputFiles } = await bundle(values.entry, values.out);
const built = Buffer.concat(outputFiles.filter(({ path }) => !path.endsWith(".map")).map(({ contents }) => contents));
const parts = shares(metafile);
const shown = values.inputs ? parts : parts.slice(0, 5);
console.error(`Built ${values.out.startsWith(root) ? values.out.slice(root.length + 1) : values.out}: ${kilobytes(built.length)} (${kilobytes(gzipSync(built).length)} compressed): ${shown.map(([name, bytes]) => `${name} ${kilobytes(bytes)}`).join(", ")}${parts.length > shown.length ? ", …" : ""}`);
