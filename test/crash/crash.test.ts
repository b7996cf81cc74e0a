/** Crash equivalence with 20 kills: `npm run bench -- crash --kills 200` does it at length. */
import { expect, it } from "vitest";
import { describeWithCaptures } from "../support/captures.ts";
import { describeNeeding } from "../support/needs.ts";
import { equivalence } from "./equivalence.ts";
import { recorded, scripted, type Played } from "./feeds.ts";

const KILLS = 10;
const SEED = 20_260_105;
const LONGEST_MS = 120_000;

const NOTHING_WRONG = { differences: [], faults: [] };

/** What is wrong, the first few of it. */
async function wrong(played: Played): Promise<{ readonly differences: readonly string[]; readonly faults: readonly string[] }> {
  const { differences, faults, expected } = await equivalence(played, { kills: KILLS, seed: SEED });
  expect(expected).toBeGreaterThan(200);
  return { differences: differences.slice(0, 3), faults: faults.slice(0, 3) };
}

describeNeeding(["mosquitto"], "killed at random moments and started again, the agent tells the same", () => {
  it(`of a scripted shift, over ${KILLS} kills`, { timeout: LONGEST_MS }, async () => {
    expect(await wrong(scripted()), `seed ${SEED}`).toEqual(NOTHING_WRONG);
  });

  describeWithCaptures("recorded", () => {
    it(`of a recorded day, over ${KILLS} kills`, { timeout: LONGEST_MS }, async () => {
      const day = recorded();
      if (day === null) throw new Error("the recording is not among the captures");
      expect(await wrong(day), `seed ${SEED}`).toEqual(NOTHING_WRONG);
    });
  });
});
