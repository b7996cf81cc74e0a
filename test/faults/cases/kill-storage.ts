/** kill -9 of a process that writes and delivers as fast as it can, again and again on the same file. */
import type { FaultCase } from "../case.ts";
import { judged } from "../support/evidence.ts";
import { life, recovered } from "../support/storage.ts";
import { DESTINATIONS, toldThrough } from "../support/work.ts";

const KILLS = 20;
/** A quarter of the kills meets a buffer that is being opened, or nearly. */
const STARTING = 0.25;
const LONGEST_MS = 300;

export const killStorage: FaultCase = {
  name: "kill-storage",
  what: `the buffer alone, killed (-9) ${KILLS} times at random points`,
  runs: { short: 3, long: 80 },
  longestMs: 120_000,
  async run({ folder, seed, random }) {
    for (let kill = 0; kill < KILLS; kill++) {
      const ms = Math.round(random() * LONGEST_MS);
      await life(folder, { connection: `life-${kill}`, seed: seed + kill, facts: null, ...(random() < STARTING ? { killAfterMs: ms } : { killAfterWorkMs: ms }) });
    }
    const { wrong, told, backMs } = await recovered(folder, { connection: "last", seed, facts: 20 });
    return judged(folder, { destinations: DESTINATIONS, exact: false, expected: toldThrough(told), faults: KILLS, also: wrong, backMs });
  },
};
