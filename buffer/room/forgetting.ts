/**
 * Forgets what was told lost of rows that are all gone: nothing can be added to it, sent again, or given up twice. Of
 * several that name the same types, with no row between them, one stays, so that no loss goes on across them. What is
 * kept is thus no more than there are rows, however long another destination is away and holds the oldest of them.
 */
import type { Books } from "../ledger/books.ts";
import type { Chain } from "../chain/chain.ts";
import type { Begun } from "../chain/standing-tables.ts";
import { VALUE_CLASSES } from "./value.ts";

/** Losses that begin after `after` up to `to`. Inside the transaction in which the rows went, when that has been told. */
export function forgetGone({ ledger, tables, standing }: Books, chains: readonly Chain[], after: number, to: number): void {
  const begin = ledger.firstSeq > after ? 0 : after;
  for (const chain of chains) {
    const begun = standing.begun(chain.id, begin, to);
    if (begun.length < 2) continue;
    const growing = new Set(VALUE_CLASSES.map((_, index) => standing.lastTold(chain.id, index + 1)?.from));
    // From the last on, so that what stands in for another stays.
    const standIns = new Map<string, Begun>();
    for (const loss of begun.toReversed()) {
      const standIn = standIns.get(loss.types);
      // One whose record was not taken yet is told again when this file has to be given up.
      const isDone = Math.max(loss.to, loss.row) <= chain.through && !growing.has(loss.from);
      const isBarrier = loss.count > 0;
      const end = isBarrier ? Math.max(loss.to, (standIn?.from ?? 0) - 1) : loss.to;
      if (isDone && (!isBarrier || standIn !== undefined) && ledger.next(loss.from - 1, end) === undefined) {
        standing.dropTold(chain.id, loss.from);
        tables.dropDead(chain.id, loss.from);
      } else if (isBarrier) standIns.set(loss.types, loss);
    }
  }
}
