/** Crash equivalence with 20 kills: `npm run bench -- crash --kills 200` does it at length. */
import { expect, it } from "vitest";
import { describeWithCaptures } from "../support/captures.ts";
import { describeNeeding } from "../support/needs.ts";
import { equivalence } from "./equivalence.ts";
import { recorded, scripted, type Played } from "./feeds.ts";

const KILLS = 10;
const SEED = 20_260_105;
const LONGEST_MS = 120_000;

async function expectEquivalent(played: Played): Promise<void> {
  const { differences, faults, expected } = await equivalence(played, { kills: KILLS, seed: SEED });
  expect({ differences: differences.slice(0, 3), faults: faults.slice(0, 3) }, `seed ${SEED}`).toEqual({ differences: [], faults: [] });
  expect(expected).toBeGreaterThan(200);
}

describeNeeding(["mosquitto"], "killed at random moments and started again, the agent tells the same", () => {
  it(`of a scripted shift, over ${KILLS} kills`, { timeout: LONGEST_MS }, () => expectEquivalent(scripted()));

  describeWithCaptures("recorded", () => {
    it(`of a recorded day, over ${KILLS} kills`, { timeout: LONGEST_MS }, async () => {
      const day = recorded();
      if (day === null) throw new Error("the recording is not among the captures");
      await expectEquivalent(day);
    });
  });
});
