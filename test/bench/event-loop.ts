/**
 * The whole built agent, 10 machines at 10 changes a second, while each disk sync takes 50 ms (a preloaded library sleeps
 * in fsync and fdatasync): the delay of its event loop, measured in its own process from when it is warm to its end, and
 * whether it kept its appointments. Half of the machines are polled, half send a stream that must show itself each second;
 * the broker gives the agent up after 3 s of silence and says so with its will. Everything lost there is seen here.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findTool, needs } from "../support/needs.ts";
import { atMost, type Figure } from "./figure.ts";
import { NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { startMachines } from "./support/start-machines.ts";
import { sleep } from "./support/waiting.ts";

const SYNC_MS = 50;
const WARM_MS = 4_000;
const MEASURED_MS = 20_000;
const MACHINES = 10;
/** Between two polls (protocols/mtconnect/session.ts); one is missed when twice that passes. */
const POLL_MS = 1_000;
const KEEP_ALIVE_S = 2;
const run = promisify(execFile);

interface Found {
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Of all polled machines. */
  readonly longestPauseMs: number;
  /** Links to machines or the broker that were lost. */
  readonly lost: number;
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
    const { p99Ms, longestMs, longestPauseMs, lost } = await measured(folder, library);
    console.error(`  event loop of the agent with ${SYNC_MS} ms syncs: p99 ${p99Ms.toFixed(1)} ms, longest ${longestMs.toFixed(0)} ms (a checkpoint of the log may wait for a sync)`);
    return [
      atMost(`event loop delay p99 of the agent with ${MACHINES} machines while each sync takes ${SYNC_MS} ms`, "ms", p99Ms, 20),
      atMost(`longest pause between two polls meanwhile (every ${POLL_MS} ms and what the answer takes)`, "ms", longestPauseMs, 2 * POLL_MS),
      atMost(`links lost meanwhile, to ${MACHINES} machines and a broker that gives up after ${KEEP_ALIVE_S * 1.5} s`, "links", lost, 0),
    ];
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
  await using machines = await startMachines({ kind: "changing", count: MACHINES, rate: 10 });
  let [records, lost] = [0, 0];
  await using _records = await listen(broker.port, "cellgate/v1/+/+/rec/+", (topic) => {
    if (topic.endsWith("/connection")) lost++;
    else records++;
  });
  await using _will = await listen(broker.port, "cellgate/v1/+/_agent/#", (_topic, text) => {
    if (text.includes('"offline"')) lost++;
  });
  await using agent = startAgentProcess(folder, configuration(folder, broker.port, machines.urls), [...NODE_FLAGS, "--require", watch],
    { LD_PRELOAD: library, SLOW_SYNC_MS: String(SYNC_MS), SLOW_SYNC_LOG: syncs });
  await sleep(WARM_MS);
  lost = 0;
  await machines.polls();
  await sleep(MEASURED_MS + 1_000);
  if (records === 0) throw new Error(`nothing was published; the agent says: ${agent.log()}`);
  const polled = (await machines.polls()).filter((_, index) => isPolled(index));
  if (polled.some(({ requests }) => requests < 2)) throw new Error(`a machine was not polled; the agent says: ${agent.log()}`);
  const delays = JSON.parse(readFileSync(result, "utf8")) as Pick<Found, "p99Ms" | "longestMs">;
  return { ...delays, longestPauseMs: Math.max(...polled.map(({ longestMs }) => longestMs)), lost };
}

const isPolled = (index: number): boolean => index % 2 === 1;

const configuration = (folder: string, port: number, urls: readonly string[]): string => `agent: {id: bench, site: bench, timezone: UTC, data_dir: ${JSON.stringify(join(folder, "data"))}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${port}", keepalive: ${KEEP_ALIVE_S}s}]
machines:
${urls.map((url, index) => `  - {id: VMC-${index + 1}, sources: [{type: mtconnect, url: ${JSON.stringify(url)}, heartbeat: 1s, streaming: ${isPolled(index) ? "poll" : "stream"}}]}`).join("\n")}
`;
