/** The system clock of the running agent is set forward and back (libfaketime; the monotonic clock goes on, as with a real step). */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FaultCase } from "../case.ts";
import { startBridge } from "../support/bridge.ts";
import { openShop, sleep } from "../support/shop.ts";

const STEPS = 6;
const LARGEST_S = 2 * 86_400;

/** Debian's place, on every architecture. */
function library(): string {
  for (const triplet of readdirSync("/usr/lib")) {
    const path = join("/usr/lib", triplet, "faketime", "libfaketime.so.1");
    if (existsSync(path)) return path;
  }
  throw new Error("libfaketime.so.1 is not under /usr/lib/*/faketime");
}

export const clockSteps: FaultCase = {
  name: "clock-steps",
  what: `the whole agent, its system clock set ${STEPS} times by up to two days, both ways`,
  needs: ["faketime"],
  runs: { short: 1, long: 10 },
  longestMs: 120_000,
  async run(run) {
    const clock = join(run.folder, "clock");
    const set = (seconds: number): void => writeFileSync(clock, `${seconds < 0 ? "-" : "+"}${Math.abs(Math.round(seconds))}\n`);
    set(0);
    await using bridge = await startBridge(run.folder, "bridge");
    const env = { LD_PRELOAD: library(), FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1", FAKETIME_DONT_RESET: "1" };
    await using shop = await openShop(run, { ways: [bridge], plays: 10_000, env });
    shop.start();
    for (let step = 0; step < STEPS; step++) {
      await sleep(800 + run.random() * 700);
      set((run.random() - 0.5) * 2 * LARGEST_S);
      // A lost link while the clock jumps: what waits for it must not wait for days.
      if (run.random() < 0.5) bridge.cut();
    }
    return await shop.settle({ faults: STEPS, exact: true, bridges: [bridge] });
  },
};
