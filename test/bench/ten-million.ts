/**
 * Whether it matters how much lies in the outbox: starts of the built agent with very many records waiting and with none,
 * by turns, each with a cold file cache, stopped in an orderly way and killed; and its memory while it drains many,
 * beside while it drains few at the same rate. `--rows 10000000`, the whole, takes 4 GB of disk.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { atMost, percentile, type Figure } from "./figure.ts";
import { startOnce, type Start } from "./start-up.ts";
import { NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { changingFeed } from "./support/feeds.ts";
import { sleep } from "./support/waiting.ts";
import { assertRoomFor, drainingConfiguration, fillWaiting } from "./support/waiting-records.ts";

const STARTS = 5;
const GOAL_MS = 500;
/** The same work for both, and enough of it for each time memory is watched. */
const DRAIN_PER_SECOND = 4_000;
const FEW = 300_000;
const WATCHED_MS = 15_000;
const WATCHED = 3;
const LOOK_MS = 250;
const GROWTH_MB = 2;
const run = promisify(execFile);

type Kind = "none" | "few" | "many";

export async function tenMillion({ rows }: { readonly rows: number }): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-many-"));
  const simulation = await simulate(changingFeed("VMC-1"), { clock: systemClock(), speed: 1 });
  try {
    assertRoomFor(rows, folder);
    await using broker = await startBroker();
    const at = (kind: Kind): readonly [string, string] => {
      const own = join(folder, kind);
      mkdirSync(own, { recursive: true });
      return [own, drainingConfiguration(own, broker.port, { url: simulation.agent.url, rows, perSecond: DRAIN_PER_SECOND })];
    };
    const began = performance.now();
    await fillWaiting(join(at("many")[0], "data"), rows);
    await fillWaiting(join(at("few")[0], "data"), FEW);
    console.error(`  ${rows} records in ${((performance.now() - began) / 1_000).toFixed(0)} s, ${sizeOf(join(at("many")[0], "data"))} bytes`);
    const start = async (kind: Kind, kill = false): Promise<Start> => {
      await chill(join(at(kind)[0], "data"));
      return startOnce(...at(kind), { port: broker.port, records: kind !== "none", kill });
    };
    const memory: { readonly many: number[]; readonly few: number[] } = { many: [], few: [] };
    for (let number = 0; number < WATCHED; number++) for (const kind of ["many", "few"] as const) memory[kind].push(await draining(...at(kind), broker.port));
    const [none, many] = await byTurns(() => start("none"), () => start("many"));
    await start("none", true);
    await start("many", true);
    const [noneKilled, manyKilled] = await byTurns(() => start("none", true), () => start("many", true));
    const shown = rows.toLocaleString("en");
    return [
      atMost(`start to first publish with ${shown} records waiting, more than with none, cold file cache`, "ms", median(many, "messageMs") - median(none, "messageMs"), GOAL_MS),
      atMost(`start to the first record of ${shown}, more than to the first message with none`, "ms", median(many, "recordMs") - median(none, "messageMs"), GOAL_MS),
      atMost(`the same to first publish, after a kill`, "ms", median(manyKilled, "messageMs") - median(noneKilled, "messageMs"), GOAL_MS),
      atMost(`the same to the first record, after a kill`, "ms", median(manyKilled, "recordMs") - median(noneKilled, "messageMs"), GOAL_MS),
      atMost(`anonymous memory draining ${shown} records, median of ${WATCHED}, more than draining ${FEW.toLocaleString("en")}`, "MiB", percentile(memory.many, 0.5) - percentile(memory.few, 0.5), GROWTH_MB),
    ];
  } finally {
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const median = (starts: readonly Start[], of: keyof Start): number => percentile(starts.map((one) => one[of]), 0.5);

async function byTurns(one: () => Promise<Start>, other: () => Promise<Start>): Promise<readonly [Start[], Start[]]> {
  const [ones, others]: [Start[], Start[]] = [[], []];
  for (let number = 0; number < STARTS; number++) {
    ones.push(await one());
    others.push(await other());
  }
  const shown = (starts: readonly Start[], of: keyof Start): string => starts.map((start) => start[of].toFixed(0)).join(", ");
  console.error(`  first message after ${shown(ones, "messageMs")} ms with none, ${shown(others, "messageMs")} ms with many; first record after ${shown(others, "recordMs")} ms`);
  return [ones, others];
}

/** Most anonymous memory of an agent that drains. */
async function draining(folder: string, configuration: string, port: number): Promise<number> {
  let [most, records] = [0, 0];
  await using _listening = await listen(port, "cellgate/v1/+/+/rec/#", () => void records++);
  await using agent = startAgentProcess(folder, configuration, NODE_FLAGS);
  for (const end = performance.now() + WATCHED_MS; performance.now() < end;) {
    await sleep(LOOK_MS);
    most = Math.max(most, agent.use().anonymousMB);
  }
  if (records === 0) throw new Error(`nothing was drained; the agent says: ${agent.log()}`);
  console.error(`  ${folder.slice(folder.lastIndexOf("/") + 1)}: at most ${most.toFixed(1)} MiB anonymous, ${records} records drained in ${WATCHED_MS / 1_000} s`);
  return most;
}

const filesOf = (dataDir: string): readonly string[] => readdirSync(dataDir, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => join(dataDir, name));
const sizeOf = (dataDir: string): number => filesOf(dataDir).reduce((sum, path) => sum + statSync(path).size, 0);

/** What the kernel holds of the files in memory is dropped, as after a reboot. */
async function chill(dataDir: string): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  for (const path of filesOf(dataDir)) await run("dd", [`if=${path}`, "iflag=nocache", "count=0", "status=none"]);
}
