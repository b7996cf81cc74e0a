/** kill -9 of the whole agent at random points: while a shift is told, and while a backlog is read at full speed. */
import type { FaultCase } from "../case.ts";
import { startBridge } from "../support/bridge.ts";
import { openShop, sleep } from "../support/shop.ts";

const KILLS = 8;
const STARTING = 0.25;
const STARTS_MS = 5_000;
const LIVES_MS = { paced: [0, 1_000], backlog: [0, 500] } as const;

export const killAgent: FaultCase = {
  name: "kill-agent",
  what: `the whole agent, killed (-9) ${KILLS} times at random points and started again at once`,
  runs: { short: 2, long: 50 },
  longestMs: 180_000,
  async run(run) {
    const kind = run.index % 2 === 0 ? "paced" : "backlog";
    const [shortest, longest] = LIVES_MS[kind];
    const livesMs = Array.from({ length: KILLS }, () => Math.round(shortest + run.random() * (longest - shortest)));
    await using bridge = await startBridge(run.folder, "bridge");
    await using other = await startBridge(run.folder, "other");
    await using shop = await openShop(run, { ways: [bridge, other], plays: kind === "backlog" ? "backlog" : livesMs.reduce((sum, ms) => sum + ms + 700, 0) });
    shop.start();
    for (const ms of livesMs) {
      const before = bridge.connections;
      // A quarter of the kills meets a start; the others an agent that has its link.
      const waits = run.random() < STARTING ? 0 : STARTS_MS;
      for (const end = performance.now() + waits; bridge.connections === before && performance.now() < end;) await sleep(20);
      await sleep(ms);
      await shop.kill("SIGKILL");
      shop.start();
    }
    return await shop.settle({ faults: KILLS, exact: false, bridges: [bridge, other] });
  },
};
