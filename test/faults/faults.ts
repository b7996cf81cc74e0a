/**
 * `npm run faults -- [--short|--long] [--seed N] [--only NAME[,NAME]] [--jobs N] [--part I/N] [--runs N] [--list] [--json FILE]`: breaks
 * everything around the agent and lets an independent checker judge (test/faults/checker). Exits 1 on any violation.
 * Each run is made by seed and index alone, in a process of its own; a failed one says how to make it again. Without a seed one is drawn, and
 * said. Runs share the cores (two to a core); those that are a matter of time run alone, at the end. `--part 2/3`: each third of the runs,
 * for a harness done in pieces. Told to stop, it ends what runs and shows what is done.
 */
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seeded } from "../support/seeded.ts";
import { needs } from "../support/needs.ts";
import { apart } from "./apart.ts";
import type { FaultCase, Length } from "./case.ts";
import { CASES } from "./cases.ts";
import { buildAll } from "./support/build.ts";
import { Row, table } from "./table.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false }, long: { type: "boolean", default: false }, list: { type: "boolean", default: false },
    seed: { type: "string" }, only: { type: "string" }, jobs: { type: "string" }, part: { type: "string", default: "1/1" },
    runs: { type: "string" }, json: { type: "string" },
  },
});
const length: Length = values.long ? "long" : "short";
const firstSeed = Number(values.seed ?? Date.now() % 1_000_000);
/** A run mostly waits: for a link to be tried again, for a process to start. */
const jobs = Number(values.jobs ?? 2 * availableParallelism());
const [part = 1, parts = 1] = values.part.split("/").map(Number);
const SEED_STEP = 7_919;
const runsOf = ({ runs }: FaultCase): number => Number(values.runs ?? runs[length]);

const wanted = values.only?.split(",");
const unknown = wanted?.filter((name) => !CASES.some((one) => one.name === name)) ?? [];
if (unknown.length > 0 || !Number.isSafeInteger(firstSeed) || !(jobs >= 1) || !(Number(values.runs ?? 1) >= 1) || !(part >= 1 && part <= parts)) {
  console.error(`${unknown.length > 0 ? `No case called ${unknown.join(", ")}. ` : ""}Usage: npm run faults -- [--short|--long] [--seed N] [--only NAME,NAME] [--jobs N] [--part I/N] [--runs N] [--list] [--json FILE]`);
  process.exit(2);
}
const chosen = CASES.filter(({ name }) => wanted?.includes(name) ?? true);
if (values.list) {
  for (const { name, what, runs } of chosen) console.log(`${name.padEnd(24)} ${what} (${runs.short} runs, long ${runs.long})`);
  process.exit(0);
}

interface Unit {
  readonly of: FaultCase;
  readonly index: number;
}
const began = performance.now();
const rows = new Map<string, Row>();
const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => { stopped.abort(signal); });
const say = (words: string): void => console.error(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${words}`);

async function perform({ of, index }: Unit): Promise<void> {
  const seed = firstSeed + index * SEED_STEP;
  const folder = mkdtempSync(join(tmpdir(), `cellgate-faults-${of.name}-`));
  const sinceMs = performance.now();
  const tally = await apart(of, { name: of.name, folder, seed, index, length }, stopped.signal);
  const bad = tally !== null && tally.violations.length > 0;
  if (!bad) rmSync(folder, { recursive: true, force: true });
  if (tally === null) return;
  const ms = performance.now() - sinceMs;
  const row = rows.get(of.name);
  if (row) row.add(tally, ms);
  if (bad) {
    const again = `--${length} --only ${of.name} --seed ${firstSeed} --part ${index + 1}/${runsOf(of)}${values.runs === undefined ? "" : ` --runs ${values.runs}`}`;
    say(`VIOLATED ${of.name} run ${index}: seed ${seed}, kept in ${folder}; again with: npm run faults -- ${again}`);
    for (const words of tally.violations.slice(0, 6)) console.error(`           ${words}`);
  }
  if (values.json !== undefined) appendFileSync(values.json, `${JSON.stringify({ case: of.name, index, seed, ms: Math.round(ms), ...tally })}\n`);
  const { done = 0, planned = 0 } = row ?? {};
  if (bad || done === planned || done % Math.ceil(planned / 4) === 0) say(`${of.name}: ${done} of ${planned}`);
}

async function share(units: readonly Unit[], among: number): Promise<void> {
  const left = units[Symbol.iterator]();
  await Promise.all(Array.from({ length: among }, async () => {
    for (const unit of left) if (!stopped.signal.aborted) await perform(unit);
  }));
}

const together: Unit[] = [];
const alone: Unit[] = [];
let lacking = 0;
for (const of of chosen) {
  const missing = needs(...(of.needs ?? []));
  if (missing !== null) {
    lacking++;
    say(`left out: ${of.name} (enable with: ${missing})`);
    continue;
  }
  const units = Array.from({ length: runsOf(of) }, (_, index) => ({ of, index })).filter(({ index }) => index % parts === part - 1);
  rows.set(of.name, new Row(of, units.length));
  (of.alone ? alone : together).push(...units);
}
say(`${length}, seed ${firstSeed}, ${together.length + alone.length} runs of ${rows.size} cases, ${jobs} at a time${parts > 1 ? `, part ${part} of ${parts}` : ""}`);
await buildAll();
// Mixed: runs that compute beside runs that wait.
const mixing = seeded(firstSeed);
await share(together.map((unit) => ({ unit, at: mixing() })).sort((a, b) => a.at - b.at).map(({ unit }) => unit), jobs);
await share(alone, 1);
for (const line of table([...rows.values()])) console.log(line);
const violated = [...rows.values()].filter(({ violated }) => violated > 0);
if (stopped.signal.aborted) say(`ended by ${String(stopped.signal.reason)}: not all runs are done`);
say(violated.length === 0 ? "no violation" : `violated: ${violated.map(({ of }) => of.name).join(", ")}`);
// In CI nothing may be left out in silence.
process.exit(stopped.signal.aborted || violated.length > 0 || (lacking > 0 && process.env["CI"] === "true") ? 1 : 0);
