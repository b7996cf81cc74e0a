/**
 * Crash equivalence: the built agent killed (-9) again and again while it reads a machine, against a run without kills.
 * Half of the kills meet it at a recorded day (without recordings: none), the others at the scripted shift.
 */
import { equivalence } from "../crash/equivalence.ts";
import { recorded, scripted, type Played } from "../crash/feeds.ts";
import { atLeast, type Figure } from "./figure.ts";

const SHOWN = 5;

export async function crash({ kills, seed }: { readonly kills: number; readonly seed: number }): Promise<readonly Figure[]> {
  const day = recorded();
  const plan: readonly (readonly [Played, number])[] = day === null ? [[scripted(), kills]] : [[day, Math.ceil(kills / 2)], [scripted(), Math.floor(kills / 2)]];
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
