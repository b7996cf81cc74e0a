/** The system clock of the running agent is set forward and back (libfaketime; the monotonic clock goes on, as with a real step). */
import type { FaultCase } from "../case.ts";
import { fakedTime } from "../../support/faketime.ts";
import { startBridge } from "../support/bridge.ts";
import { openShop, sleep } from "../support/shop.ts";

const STEPS = 6;
const LARGEST_MS = 2 * 86_400_000;

export const clockSteps: FaultCase = {
  name: "clock-steps",
  what: `the whole agent, its system clock set ${STEPS} times by up to two days, both ways`,
  needs: ["faketime"],
  runs: { short: 1, long: 10 },
  longestMs: 120_000,
  async run(run) {
    using clock = fakedTime(0);
    await using bridge = await startBridge(run.folder, "bridge");
    await using shop = await openShop(run, { ways: [bridge], plays: 10_000, env: clock.env });
    shop.start();
    for (let step = 0; step < STEPS; step++) {
      await sleep(800 + run.random() * 700);
      clock.set((run.random() - 0.5) * 2 * LARGEST_MS);
      // A lost link while the clock jumps: what waits for it must not wait for days.
      if (run.random() < 0.5) bridge.cut();
    }
    return await shop.settle({ faults: STEPS, exact: true, bridges: [bridge] });
  },
};
