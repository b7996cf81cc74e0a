/**
 * A small tmpfs, in a mount namespace of its own: full when the buffer is opened, and filled up while it works, each for a
 * while; then there is room again. What is told meanwhile waits or is refused, and is told again; nothing stored is lost.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { FaultCase, Run, Tally } from "../case.ts";
import { judged } from "../support/evidence.ts";
import { sleep } from "../support/shop.ts";
import { life, recovered } from "../support/storage.ts";
import { added } from "../support/tallies.ts";
import { DESTINATIONS, toldThrough } from "../support/work.ts";

const SIZE = "12m";
const FULL_MS = 1_500;
const FACTS = 400;

interface Disk extends AsyncDisposable {
  /** Puts a program onto it. */
  readonly under: readonly string[];
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** As root in a mount namespace; else in a user namespace beside it. */
async function smallDisk(folder: string): Promise<Disk> {
  mkdirSync(folder, { recursive: true });
  const isRoot = process.getuid?.() === 0;
  const keeper = spawn("unshare", [...(isRoot ? ["-m"] : ["-r", "-m"]), "sh", "-c", `mount -t tmpfs -o size=${SIZE} tmpfs "$1" && echo mounted && exec sleep 600`, "sh", folder], { stdio: ["ignore", "pipe", "pipe"] });
  let words = "";
  keeper.stderr.on("data", (chunk: Buffer) => (words += chunk.toString()));
  await Promise.race([once(keeper.stdout, "data"), once(keeper, "exit").then(() => { throw new Error(`no small file system to be had: ${words}`); })]);
  const under = ["nsenter", "-t", String(keeper.pid), ...(isRoot ? [] : ["-U", "--preserve-credentials"]), "-m", "--"];
  const inside = async (script: string): Promise<void> => {
    const [program, ...args] = [...under, "sh", "-c", script, "sh", join(folder, "filler")];
    await once(spawn(program, args, { stdio: "ignore" }), "exit");
  };
  return {
    under,
    // Until nothing more fits: head ends with an error then.
    fill: () => inside('head -c 100000000 /dev/zero > "$1"'),
    free: () => inside('rm -f "$1"'),
    async [Symbol.asyncDispose]() {
      const exited = once(keeper, "exit");
      keeper.kill("SIGKILL");
      await exited;
    },
  };
}

async function full(run: Run, when: "at the start" | "while it works"): Promise<Tally> {
  const folder = join(run.folder, when.replaceAll(" ", "-"));
  await using disk = await smallDisk(join(folder, "data"));
  // Something must be there that can be lost.
  await life(folder, { connection: "before", seed: run.seed, facts: 60, under: disk.under });
  if (when === "at the start") await disk.fill();
  const working = life(folder, { connection: "full", seed: run.seed, facts: FACTS, under: disk.under, longestMs: 40_000 });
  await sleep(400 + run.random() * 400);
  if (when === "while it works") await disk.fill();
  await sleep(FULL_MS);
  await disk.free();
  const first = await working;
  const { wrong, told, backMs } = await recovered(folder, { connection: "after", seed: run.seed, facts: 20, under: disk.under });
  // Full at the start it may refuse to open, and say so: the init system starts it again.
  const also = [...wrong, ...(first.opened && !first.closed ? [`the life on the full disk ended with ${first.signal ?? String(first.code)}: ${first.words.slice(-1_000)}`] : [])];
  const tally = judged(folder, { destinations: DESTINATIONS, exact: false, expected: toldThrough(told), faults: 1, also, backMs });
  return { ...tally, violations: tally.violations.map((words) => `full ${when}: ${words}`) };
}

export const fullDisk: FaultCase = {
  name: "full-disk",
  what: `the buffer alone on a tmpfs of ${SIZE}B that is full at the start, or fills up while it works`,
  runs: { short: 1, long: 10 },
  longestMs: 240_000,
  run: async (run) => added([await full(run, "at the start"), await full(run, "while it works")]),
};
