/**
 * What a new file says of the one it replaces. Its records name every number that may not have arrived under its own
 * number, one record behind the other, the last without an end, all for every destination at once:
 *
 *   settled (count unknown) · kept (count 0: comes under new numbers) · lost (count) · kept · … · whatever came after
 *
 * They say what is so of the file; where a destination's own record names a row too (refused, given up), that one counts.
 * A destination's own record that was lost with the file is told again.
 */
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Loss } from "../loss/loss.ts";
import type { LostRange, Salvaged } from "./salvage.ts";

/** Lost ranges told one by one; the next reaches to the end. */
const LOST_RANGES = 20;
/** A record that was lost may have been told anew since what is known of it; its next revision must be above any of those. */
const REVISIONS_APART = 1_000;

export function replacedLosses({ epoch, lost, retold, named, from: carriedFrom, last, isEndKnown }: Salvaged, now: UnixMs): readonly Loss[] {
  const ofFile = ranges({ named, from: carriedFrom, last, lost, isEndKnown }).map(({ from, to, count }): Loss => ({
    destination: null, reason: "buffer_corrupt", lostEpoch: epoch ?? "unknown", fromSeq: from, toSeq: to, count, byType: {}, start: now, end: now,
  }));
  const own = retold.map(({ destination, told }): Loss => ({
    destination, reason: told.reason, lostEpoch: epoch ?? "unknown", fromSeq: told.from, toSeq: told.to, count: told.count, byType: told.byType,
    start: told.start, end: told.end, rev: told.rev + REVISIONS_APART,
  }));
  return [...own, ...ofFile];
}

/** From `named` on without a number left out. What every destination is done with is named where a record of a refusal may be lost: nobody knows of how many. */
function ranges({ named, from: carriedFrom, last, lost, isEndKnown }: Omit<Salvaged, "epoch" | "rows" | "checkpoints" | "retold">): readonly LostRange[] {
  if (named === null) return [{ from: null, to: null, count: null }];
  const all: LostRange[] = named < carriedFrom ? [{ from: named, to: carriedFrom - 1, count: null }] : [];
  let next = Math.max(named, carriedFrom);
  const keep = (to: number): void => {
    if (next <= to) all.push({ from: next, to, count: 0 });
  };
  for (const [index, { from, to, count }] of lost.entries()) {
    keep(from - 1);
    next = from;
    if (index === LOST_RANGES) return [...all, { from, to: null, count: null }];
    all.push({ from, to, count });
    next = to + 1;
  }
  keep(last);
  return [...all, { from: Math.max(next, last + 1), to: null, count: isEndKnown ? 0 : null }];
}
