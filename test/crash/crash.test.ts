/** Crash equivalence with 20 kills: `npm run bench -- crash --kills 200` does it at length. */
import { expect, it } from "vitest";
import { describeWithCaptures } from "../support/captures.ts";
import { describeNeeding } from "../support/needs.ts";
import { equivalence } from "./equivalence.ts";
import { backlog, recorded, scripted, type Played } from "./feeds.ts";

const SEED = 20_260_105;
const LONGEST_MS = 120_000;

const NOTHING_WRONG = { differences: [], faults: [] };

/** What is wrong, the first few of it. */
async function wrong(played: Played, kills: number): Promise<{ readonly differences: readonly string[]; readonly faults: readonly string[] }> {
  const { differences, faults, expected } = await equivalence(played, { kills, seed: SEED });
  expect(expected).toBeGreaterThan(200);
  return { differences: differences.slice(0, 3), faults: faults.slice(0, 3) };
}

describeNeeding(["mosquitto"], "killed at random moments and started again, the agent tells the same", () => {
  it("of a scripted shift, over 7 kills", { timeout: LONGEST_MS }, async () => {
    expect(await wrong(scripted(), 7), `seed ${SEED}`).toEqual(NOTHING_WRONG);
  });

  it("of a backlog read at full speed, over 6 kills", { timeout: LONGEST_MS }, async () => {
    expect(await wrong(backlog(), 6), `seed ${SEED}`).toEqual(NOTHING_WRONG);
  });

  describeWithCaptures("recorded", () => {
    it("of a recorded day, over 7 kills", { timeout: LONGEST_MS }, async () => {
      const day = recorded();
      if (day === null) throw new Error("the recording is not among the captures");
      expect(await wrong(day, 7), `seed ${SEED}`).toEqual(NOTHING_WRONG);
    });
  });
});
