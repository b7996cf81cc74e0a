/** Little of everything: 64 MB of memory, 40 file descriptors, and neighbours that want every core. The whole agent reads a backlog at full speed meanwhile. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import type { FaultCase, Run, Tally } from "../case.ts";
import { startBridge } from "../support/bridge.ts";
import { memoryCap } from "../support/cgroup.ts";
import { peakBytes } from "../support/memory.ts";
import { openShop, type ShopOptions } from "../support/shop.ts";

const MIB = 1024 * 1024;

async function through(run: Run, options: Pick<ShopOptions, "under" | "flags" | "env" | "share">): Promise<{ readonly tally: Tally; readonly peak: number }> {
  await using bridge = await startBridge(run.folder, "bridge");
  await using shop = await openShop(run, { ways: [bridge], plays: "backlog", ...options });
  shop.start();
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, peakBytes(shop.pid) ?? 0)), 100);
  try {
    return { tally: await shop.settle({ faults: 1, exact: true, bridges: [bridge] }), peak };
  } finally {
    clearInterval(watch);
    await shop.kill("SIGKILL");
  }
}

export const fewDescriptors: FaultCase = {
  name: "few-descriptors",
  what: "the whole agent with 40 file descriptors",
  runs: { short: 1, long: 4 },
  longestMs: 120_000,
  run: async (run) => (await through(run, { under: ["prlimit", "--nofile=40"] })).tally,
};

const CAP_BYTES = 64 * MIB;
/** As the service runs (docs/benchmarks.md). */
const SERVICE = ["--max-semi-space-size=1", "--initial-heap-size=12", "--heap-growing-percent=20", "--no-opt", "--no-maglev", "--max-old-space-size=28"];
export const smallMemory: FaultCase = {
  name: "small-memory",
  what: "the whole agent with the service's flags in a control group of 64 MB, its file cache included",
  runs: { short: 1, long: 4 },
  longestMs: 120_000,
  async run(run) {
    const cap = memoryCap(CAP_BYTES);
    try {
      const { tally, peak } = await through(run, { flags: SERVICE, under: cap?.under ?? [], env: { MALLOC_ARENA_MAX: "1" } });
      return { ...tally, note: cap === null ? `no control group to be had; ${10 * Math.ceil(peak / MIB / 10)} MB resident` : "in the control group" };
    } finally {
      cap?.remove();
    }
  },
};

export const busyNeighbour: FaultCase = {
  name: "busy-neighbour",
  what: "the whole agent beside two processes per core that do nothing but want it",
  runs: { short: 1, long: 4 },
  longestMs: 180_000,
  alone: true,
  async run(run) {
    const neighbours = Array.from({ length: 2 * availableParallelism() }, () => spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }));
    try {
      return (await through(run, { share: 0.3 })).tally;
    } finally {
      await Promise.all(neighbours.map(async (neighbour) => {
        const exited = once(neighbour, "exit");
        neighbour.kill("SIGKILL");
        await exited;
      }));
    }
  },
};
