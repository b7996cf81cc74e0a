/**
 * The one way in: `npm run demo`, `npm test` and the other scripts, straight after `git clone`.
 * Installs the packages of the lock file once, then runs everything on the pinned Node. Plain JavaScript without
 * dependencies for any Node from 20 on, because nothing is installed when it starts. Commands: COMMANDS below.
 */
import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleIsStale } from "./bundle-age.mjs";
import { install, InstallError, pinnedNode } from "./install.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = (...path) => join(root, "node_modules", ...path);
const BUNDLE = join(root, "dist", "cellgate.mjs");
/** A gate must say the same twice. The search, with a fresh seed each time, is `npm run faults` itself. */
const GATE_SEED = "4";
const TEST_RESULTS = join(root, ".cache", `tests-${process.pid}.json`);

const COMMANDS = {
  demo: async (args) => (await buildIfStale()) || run(["deploy/demo/demo.ts", ...args]),
  test: runTests,
  build: (args) => run(["deploy/bundle.ts", ...args]),
  faults: (args) => run(["test/faults/faults.ts", ...args]),
  bench: async (args) => (await buildIfStale()) || run(["test/bench/bench.ts", ...args]),
  cellgate: async (args) => (await buildIfStale()) || run([BUNDLE, ...args], { cwd: process.env.INIT_CWD ?? process.cwd() }),
  check: checkSources,
  vitest: (args) => run([modules("vitest", "vitest.mjs"), ...args]),
};

let node = process.execPath;

/** Runs one program on the pinned Node with our terminal; resolves with its exit status. */
function run(args, { cwd = root } = {}) {
  const child = spawn(node, args, {
    cwd,
    stdio: "inherit",
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}` },
  });
  const forward = (signal) => child.kill(signal);
  // On a terminal Ctrl-C reaches the whole group, the child too: forwarding it would make it two.
  const onInterrupt = process.stdin.isTTY ? () => undefined : forward;
  const listeners = [["SIGINT", onInterrupt], ["SIGTERM", forward], ["SIGHUP", forward]];
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      for (const [name, listener] of listeners) process.off(name, listener);
      resolve(code ?? (signal === "SIGINT" ? 130 : 143));
    });
  });
}

const buildIfStale = async () => (bundleIsStale(root, BUNDLE) ? run(["deploy/bundle.ts"]) : 0);

/** Types, lint with the import rules, unused exports: all three are run, so that one call shows everything. */
async function checkSources() {
  const checks = [
    ["types", [modules("typescript", "bin", "tsc"), "-p", "."]],
    ["lint and import rules", [modules("oxlint", "bin", "oxlint")]],
    ["unused files, exports and packages", [modules("knip", "bin", "knip.js"), "--no-progress"]],
  ];
  let failed = 0;
  for (const [title, args] of checks) {
    const since = Date.now();
    const code = await run(args);
    say(`${code === 0 ? "good  " : "FAILED"}  ${title} (${seconds(since)})`);
    failed ||= code;
  }
  return failed;
}

async function runTests(args) {
  const built = await run(["deploy/bundle.ts"]);
  if (built !== 0) return built;
  const checked = await checkSources();
  const tested = await run([modules("vitest", "vitest.mjs"), "run", "--reporter=default", "--reporter=json", `--outputFile.json=${TEST_RESULTS}`, ...args]);
  // After the tests, not beside them: what waits for a deadline must not wait for the other tests. Chosen tests are run alone.
  const broken = args.length === 0 ? await run(["test/faults/faults.ts", "--short", "--seed", GATE_SEED]) : 0;
  sayTestCounts();
  if (checked !== 0) say("The tests ran, but the checks before them failed: see above.");
  if (broken !== 0) say("The fault harness found violations: see above.");
  return tested || checked || broken;
}

/** One plain line that any CI can read. No results file means that vitest could not even start, which its exit status says. */
function sayTestCounts() {
  let results;
  try {
    results = JSON.parse(readFileSync(TEST_RESULTS, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return;
    throw error;
  }
  rmSync(TEST_RESULTS);
  const skipped = results.numPendingTests + results.numTodoTests;
  console.log(`${results.numPassedTests} passed, ${results.numFailedTests} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
}

const say = (line) => console.error(line);
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

async function main([command, ...args]) {
  if (!Object.hasOwn(COMMANDS, command ?? "")) {
    say(`${command ? `There is no command "${command}".` : "Which command?"} Usage: npm run ${Object.keys(COMMANDS).join(" | ")}, with arguments after --`);
    return 2;
  }
  await install(root, say);
  node = pinnedNode(root);
  return COMMANDS[command](args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof InstallError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
