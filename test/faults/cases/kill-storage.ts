/** kill -9 of a process that writes and delivers as fast as it can, again and again on the same file. */
import type { FaultCase } from "../case.ts";
import { judged } from "../support/evidence.ts";
import { life, recovered } from "../support/storage.ts";
import { DESTINATIONS, toldThrough } from "../support/work.ts";

const KILLS = 20;
/** Starting takes about 150 ms: a part of the kills meets a buffer that is being opened. */
const [SHORTEST_MS, LONGEST_MS] = [60, 420];

export const killStorage: FaultCase = {
  name: "kill-storage",
  what: `the buffer alone, killed (-9) ${KILLS} times at random points`,
  runs: { short: 3, long: 80 },
  longestMs: 120_000,
  async run({ folder, seed, random }) {
    for (let kill = 0; kill < KILLS; kill++)
      await life(folder, { connection: `life-${kill}`, seed: seed + kill, facts: null, killAfterMs: Math.round(SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS)) });
    const { wrong, told, backMs } = await recovered(folder, { connection: "last", seed, facts: 20 });
    return judged(folder, { destinations: DESTINATIONS, exact: false, expected: toldThrough(told), faults: KILLS, also: wrong, backMs });
  },
};
