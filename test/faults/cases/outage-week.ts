/**
 * A week without the broker, in as much time as writing its records takes: more than the buffer may hold, so the least
 * valuable go, class by class, named by losses. Two destinations are away, one is there all the time and loses nothing.
 * Nothing is killed, so the losses must count exactly.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { FaultCase } from "../case.ts";
import { judged } from "../support/evidence.ts";
import { life, recovered } from "../support/storage.ts";
import { DESTINATIONS } from "../support/work.ts";

/** Per machine: one in a minute for a week. */
const FACTS = 10_080;
const BUDGET_BYTES = 4 * 1024 * 1024;

export const outageWeek: FaultCase = {
  name: "outage-week",
  what: `the buffer alone, two destinations away for the ${2 * FACTS} records of a week, with room for a third of them`,
  runs: { short: 1, long: 4 },
  longestMs: 240_000,
  async run({ folder, seed }) {
    const options = { budgetBytes: BUDGET_BYTES, groupMs: 3, carryPages: 200 };
    const away = ["bridge", "cycles"];
    const outage = await life(folder, { connection: "outage", seed, facts: FACTS, away, options, longestMs: 150_000 });
    const { wrong, backMs, words } = await recovered(folder, { connection: "back", seed, facts: 50, options, longestMs: 60_000 });
    const also = [...wrong, ...(outage.closed ? [] : [`the life of the outage ended with ${outage.signal ?? String(outage.code)}: ${outage.words}`]), ...(existsSync(join(folder, "data", "quarantine")) ? [`a full buffer was taken for damaged: ${words}`] : [])];
    const tally = judged(folder, { destinations: DESTINATIONS, exact: true, faults: 1, also, backMs });
    return { ...tally, violations: [...tally.violations, ...(tally.covered === 0 ? ["nothing was given up: the outage was too short to show anything"] : [])] };
  },
};
