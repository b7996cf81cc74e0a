/**
 * Crash equivalence: the built agent killed (-9) again and again while it reads a machine, against a run without kills.
 * The kills are shared out: a recorded day and the scripted shift as they go on, and days of backlog read at full speed.
 */
import { equivalence } from "../crash/equivalence.ts";
import { backlog, recorded, scripted, type Played } from "../crash/feeds.ts";
import { atLeast, type Figure } from "./figure.ts";

const SHOWN = 5;

export async function crash({ kills, seed }: { readonly kills: number; readonly seed: number }): Promise<readonly Figure[]> {
  const day = recorded();
  const backlogged = Math.floor(kills / 5);
  const followed = kills - backlogged;
  const onDay = day === null ? 0 : Math.ceil(followed / 2);
  const plan: readonly (readonly [Played, number])[] = [...(day === null ? [] : [[day, onDay] as const]), [scripted(), followed - onDay], [backlog(), backlogged]];
  const figures: Figure[] = [];
  for (const [played, share] of plan) {
    if (share === 0) continue;
    const { expected, identical, differences, faults } = await equivalence(played, { kills: share, seed });
    console.error(`  ${played.what}: ${share} kills (seed ${seed}), ${identical} of ${expected} records identical, ${differences.length} differences, ${faults.length} faults`);
    for (const words of [...differences.slice(0, SHOWN), ...faults.slice(0, SHOWN)]) console.error(`  ${words}`);
    const good = Math.max(0, identical - (differences.length - (expected - identical)) - faults.length);
    figures.push(atLeast(`records identical after ${share} kills, of an uninterrupted run (${played.what})`, "records", good, { limit: expected, least: 1 }));
  }
  return figures;
}
