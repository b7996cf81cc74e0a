/**
 * Event loop delay of the whole built agent, 10 machines at 10 changes a second, while each disk sync takes 50 ms: a
 * preloaded library sleeps in fsync and fdatasync. The agent's own process measures, from when it is warm to its end.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findTool, needs } from "../support/needs.ts";
import { atMost, type Figure } from "./figure.ts";
import { configurationFor, NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { startMachines } from "./support/start-machines.ts";
import { sleep } from "./support/waiting.ts";

const SYNC_MS = 50;
const WARM_MS = 4_000;
const MEASURED_MS = 15_000;
const run = promisify(execFile);

interface Found {
  readonly p99Ms: number;
  readonly longestMs: number;
}

export async function eventLoop(): Promise<readonly Figure[]> {
  const missing = needs("gcc");
  if (missing !== null) {
    console.error(`  the event loop with slow syncs needs a C compiler: ${missing}`);
    return [];
  }
  const folder = mkdtempSync(join(tmpdir(), "cellgate-event-loop-"));
  try {
    const library = join(folder, "slow-sync.so");
    await run(findTool("gcc") ?? "gcc", ["-shared", "-fPIC", "-O2", "-o", library, join(import.meta.dirname, "slow-sync.c")]);
    const { p99Ms, longestMs } = await measured(folder, library);
    console.error(`  event loop of the agent with ${SYNC_MS} ms syncs: p99 ${p99Ms.toFixed(1)} ms, longest ${longestMs.toFixed(0)} ms (a checkpoint of the log may wait for a sync)`);
    return [atMost(`event loop delay p99 of the agent with 10 machines while each sync takes ${SYNC_MS} ms`, "ms", p99Ms, 20)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measured(folder: string, library: string): Promise<Found> {
  const [result, syncs] = [join(folder, "delay.json"), join(folder, "syncs")];
  const watch = join(folder, "watch.cjs");
  writeFileSync(watch, `const { monitorEventLoopDelay } = require("node:perf_hooks");
const delay = monitorEventLoopDelay({ resolution: 5 });
setTimeout(() => delay.enable(), ${WARM_MS}).unref();
setTimeout(() => { delay.disable(); require("node:fs").writeFileSync(${JSON.stringify(result)}, JSON.stringify({ p99Ms: delay.percentile(99) / 1e6, longestMs: delay.max / 1e6 })); }, ${WARM_MS + MEASURED_MS}).unref();
`);
  await using broker = await startBroker();
  await using machines = await startMachines({ kind: "changing", count: 10, rate: 10 });
  let records = 0;
  await using _listening = await listen(broker.port, "cellgate/v1/+/+/rec/#", () => void records++);
  await using agent = startAgentProcess(folder, configurationFor(folder, broker.port, machines.urls), [...NODE_FLAGS, "--require", watch],
    { LD_PRELOAD: library, SLOW_SYNC_MS: String(SYNC_MS), SLOW_SYNC_LOG: syncs });
  await sleep(WARM_MS + MEASURED_MS + 1_000);
  if (records === 0) throw new Error(`nothing was published; the agent says: ${agent.log()}`);
  return JSON.parse(readFileSync(result, "utf8")) as Found;
}
