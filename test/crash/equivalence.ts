/** Crash equivalence (design.md P1) of one feed: an uninterrupted run against one with kills at seeded moments. */
import { seeded } from "../buffer/seeded.ts";
import { builtBundle } from "../support/bundle.ts";
import { compare, type Comparison } from "./arrived.ts";
import type { Played } from "./feeds.ts";
import { crashRun } from "./run.ts";

export interface Equivalence extends Comparison {
  readonly kills: number;
  /** What contradicts the promise within either run, in words. */
  readonly faults: readonly string[];
}

const UNINTERRUPTED_MS = 6_000;
/** Starting takes a quarter of a second: a part of the kills comes before the agent has read anything. */
const [SHORTEST_MS, LONGEST_MS] = [100, 1_300];

export async function equivalence(played: Played, { kills, seed }: { readonly kills: number; readonly seed: number }): Promise<Equivalence> {
  const bundle = await builtBundle();
  const random = seeded(seed);
  const livesMs = Array.from({ length: kills }, () => Math.round(SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS)));
  const whole = await crashRun(played, { bundle, livesMs: [], lastsMs: UNINTERRUPTED_MS });
  const killed = await crashRun(played, { bundle, livesMs, lastsMs: livesMs.reduce((sum, ms) => sum + ms, 0) });
  const faults = [...whole.faults.map((words) => `uninterrupted: ${words}`), ...killed.faults.map((words) => `with kills: ${words}`)];
  return { ...compare(whole, killed), kills, faults };
}
