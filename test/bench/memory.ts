/**
 * Memory and CPU of the built agent, a process of its own, with 1 and with 10 machines changing 10 times a second each
 * and a real Mosquitto; and whether memory grows while a source refuses every connection.
 * Anonymous memory is what the agent alone costs; resident adds file pages (Node's own code), shared and reclaimable.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { atMost, type Figure } from "./figure.ts";
import { configurationFor, NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { startMachines } from "./support/start-machines.ts";
import { sleep, within } from "./support/waiting.ts";

const RATE = 10;
/** Loading and the first compilations are over. */
const WARM_MS = 5_000;
const MEASURED_MS = 30_000;
const SAMPLE_MS = 500;
/** A million took 490 s on a busy machine, too long for every run: docs/benchmarks.md has that result. */
const FAILED_POLLS = 200_000;
const run = promisify(execFile);

interface Use {
  readonly anonymousMB: number;
  readonly residentMB: number;
  readonly cpuShare: number;
}

export async function memory(): Promise<readonly Figure[]> {
  const [one, ten] = [await underLoad(1), await underLoad(10)];
  const growth = await failedPolls();
  return [
    atMost("anonymous memory with 10 machines at 10 changes a second, most, the service's memory flags", "MiB", ten.anonymousMB, 36),
    atMost("resident memory with 10 machines at 10 changes a second, most, the service's memory flags", "MiB", ten.residentMB, 85),
    atMost("anonymous memory with 1 machine at 10 changes a second, most, the service's memory flags", "MiB", one.anonymousMB, 36),
    atMost("resident memory with 1 machine at 10 changes a second, most, the service's memory flags", "MiB", one.residentMB, 85),
    atMost("CPU with 10 machines at 10 changes a second", "% of one core", ten.cpuShare * 100, 25),
    atMost("CPU with 1 machine at 10 changes a second", "% of one core", one.cpuShare * 100, 10),
    atMost(`growth of anonymous memory over ${FAILED_POLLS.toLocaleString("en")} refused connections`, "MiB", growth, 2),
  ];
}

async function underLoad(count: number): Promise<Use> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-memory-"));
  try {
    await using broker = await startBroker();
    await using machines = await startMachines({ kind: "changing", count, rate: RATE });
    const publishing = Promise.withResolvers<void>();
    let messages = 0;
    await using _listening = await listen(broker.port, "cellgate/v1/+/+/rec/#", () => {
      messages++;
      publishing.resolve();
    });
    // Once to fill the compile cache, as on any start but the first of a version.
    await using first = startAgentProcess(folder, configurationFor(folder, broker.port, machines.urls), NODE_FLAGS);
    await within(WARM_MS * 4, publishing.promise, () => `nothing was published; the agent says: ${first.log()}`);
    await first.stop();
    await using agent = startAgentProcess(folder, configurationFor(folder, broker.port, machines.urls), NODE_FLAGS);
    await sleep(WARM_MS);
    messages = 0;
    const [began, before] = [performance.now(), agent.use()];
    let [anonymousMB, residentMB] = [0, 0];
    while (performance.now() - began < MEASURED_MS) {
      await sleep(SAMPLE_MS);
      const now = agent.use();
      anonymousMB = Math.max(anonymousMB, now.anonymousMB);
      residentMB = Math.max(residentMB, now.residentMB);
    }
    const cpuShare = (agent.use().cpuSeconds - before.cpuSeconds) / ((performance.now() - began) / 1_000);
    if (messages === 0) throw new Error(`nothing was published while measuring; the agent says: ${agent.log()}`);
    console.error(`  ${count} machine${count === 1 ? "" : "s"}, node ${NODE_FLAGS.join(" ")}: anonymous ${before.anonymousMB.toFixed(1)} → at most ${anonymousMB.toFixed(1)} MiB, resident at most ${residentMB.toFixed(1)} MiB, CPU ${(cpuShare * 100).toFixed(1)} %, ${messages} records published`);
    return { anonymousMB, residentMB, cpuShare };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In a process of its own, so that nothing else's memory is seen. */
async function failedPolls(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-refused-"));
  try {
    const { stdout } = await run(process.execPath, ["--expose-gc", ...NODE_FLAGS, join(import.meta.dirname, "memory-refused.ts"), folder, String(FAILED_POLLS)], { timeout: 600_000 });
    const found = JSON.parse(stdout) as { polls: number; seconds: number; growthMB: number; samplesMB: readonly number[] };
    console.error(`  ${found.polls} refused connections in ${found.seconds.toFixed(0)} s; anonymous after each tenth: ${found.samplesMB.map((one) => one.toFixed(1)).join(" ")} MiB`);
    return found.growthMB;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
