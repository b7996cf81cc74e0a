/** Each sync takes 50 to 500 ms, as on a worn card: the whole agent goes on, and misses no keep-alive meanwhile. */
import type { FaultCase } from "../case.ts";
import { startBridge } from "../support/bridge.ts";
import { library } from "../support/built.ts";
import { openShop } from "../support/shop.ts";

const PLAYS_MS = 8_000;

export const slowSync: FaultCase = {
  name: "slow-sync",
  what: "the whole agent, each sync of its buffer taking 50 to 500 ms",
  needs: ["gcc"],
  runs: { short: 1, long: 6 },
  longestMs: 120_000,
  async run(run) {
    await using bridge = await startBridge(run.folder, "bridge");
    const env = { LD_PRELOAD: library("failing-disk"), DISK_SYNC_MS_MIN: "50", DISK_SYNC_MS_MAX: "500", DISK_COUNT: `${run.folder}/calls` };
    await using shop = await openShop(run, { ways: [{ name: bridge.name, port: bridge.port, keys: "keepalive: 4s" }], plays: PLAYS_MS, env });
    shop.start();
    const tally = await shop.settle({ faults: 1, exact: true, bridges: [bridge] });
    return { ...tally, violations: [...tally.violations, ...(bridge.connections === 1 ? [] : [`${bridge.connections} connections instead of one`])] };
  },
};
