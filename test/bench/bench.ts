/**
 * `npm run bench [-- NAME …] [--json]`: figures as ratios against a raw limit of the same run. Exits 1 when a goal is missed.
 * Only when named: `crash` (kills of the bundled agent, `npm run bench -- crash --kills 200`), and `long-drain` (minutes, `--rows 2000000`).
 */
import { parseArgs } from "node:util";
import type { Figure } from "./figure.ts";

interface Options {
  readonly kills: number;
  readonly seed: number;
  /** Of ten-million and long-drain. */
  readonly rows: number;
  /** Of outage-day: 10 a second. */
  readonly records: number;
}
type Bench = (options: Options) => Promise<readonly Figure[]>;

const BENCHES: Readonly<Record<string, Bench>> = {
  "commit-path": async () => (await import("./commit-path.ts")).commitPath(),
  drain: async () => (await import("./drain.ts")).drain(),
  "whole-path": async () => (await import("./whole-path.ts")).wholePath(),
  latency: async () => (await import("./latency.ts")).latency(),
  "two-destinations": async () => (await import("./two-destinations.ts")).twoDestinations(),
  wear: async () => (await import("./wear.ts")).wear(),
  memory: async () => (await import("./memory.ts")).memory(),
  fleet: async () => (await import("./fleet.ts")).fleet(),
  "start-up": async () => (await import("./start-up.ts")).startUp(),
  "ten-million": async (options) => (await import("./ten-million.ts")).tenMillion(options),
  "long-drain": async (options) => (await import("./long-drain.ts")).longDrain(options),
  "outage-day": async (options) => (await import("./outage-day.ts")).outageDay(options),
  modbus: async () => (await import("./modbus.ts")).modbus(),
  crash: async (options) => (await import("./crash.ts")).crash(options),
};
const ONLY_BY_NAME = new Set(["crash", "long-drain"]);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, kills: { type: "string", default: "200" }, seed: { type: "string", default: "1" }, rows: { type: "string", default: "1000000" }, records: { type: "string", default: "864000" }, help: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !(name in BENCHES));
if (values.help || unknown.length > 0) {
  console.error(`${unknown.length > 0 ? `no bench called ${unknown.join(", ")}. ` : ""}Usage: npm run bench -- [NAME …] [--json] [--kills N] [--seed N] [--rows N] [--records N]\nNames: ${Object.keys(BENCHES).join(", ")}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

const chosen = positionals.length > 0 ? positionals : Object.keys(BENCHES).filter((name) => !ONLY_BY_NAME.has(name));
const plain = (value: number): string => (Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));
let missed = 0;
for (const name of chosen) {
  const bench = BENCHES[name];
  if (!bench) continue;
  console.error(`… ${name}`);
  for (const figure of await bench({ kills: Number(values.kills), seed: Number(values.seed), rows: Number(values.rows), records: Number(values.records) })) {
    missed += figure.met ? 0 : 1;
    if (values.json) console.log(JSON.stringify(figure));
    else console.log(`${figure.met ? "met   " : "MISSED"}  ${figure.figure}: ${plain(figure.ours)} ${figure.unit} (limit ${plain(figure.limit)}, ratio ${figure.ratio.toFixed(2)}; goal ${figure.goal})`);
  }
}
if (missed > 0) console.error(`${missed} goal${missed === 1 ? "" : "s"} missed`);
process.exitCode = missed > 0 ? 1 : 0;
