/** Crash equivalence (design.md P1) of one feed: an uninterrupted run against one with kills at seeded moments. */
import { seeded } from "../support/seeded.ts";
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
const LIVES_MS = { paced: [100, 1_300], backlog: [150, 650] } as const;

export async function equivalence(played: Played, { kills, seed }: { readonly kills: number; readonly seed: number }): Promise<Equivalence> {
  const bundle = await builtBundle();
  const random = seeded(seed);
  const [shortest, longest] = LIVES_MS[played.paced ? "paced" : "backlog"];
  const livesMs = Array.from({ length: kills }, () => Math.round(shortest + random() * (longest - shortest)));
  const whole = await crashRun(played, { bundle, livesMs: [], lastsMs: played.paced ? UNINTERRUPTED_MS : null });
  const killed = await crashRun(played, { bundle, livesMs, lastsMs: played.paced ? livesMs.reduce((sum, ms) => sum + ms, 0) : null });
  const faults = [...whole.faults.map((words) => `uninterrupted: ${words}`), ...killed.faults.map((words) => `with kills: ${words}`)];
  return { ...compare(whole, killed), kills, faults };
}
