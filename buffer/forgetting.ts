/**
 * Forgets what was told lost of rows that are all gone: nothing can be added to it, sent again, or given up twice. Of
 * several with no row between them one stays, so that no loss goes on across them. What is kept is thus no more than
 * there are rows, however long another destination is away and holds the oldest of them.
 */
import type { Books } from "./books.ts";
import type { Chain } from "./chain.ts";
import { VALUE_CLASSES } from "./value.ts";

/** Losses that begin after `after` up to `to`. Inside the transaction in which the rows went. */
export function forgetGone({ ledger, tables, standing }: Books, chains: readonly Chain[], after: number, to: number): void {
  const begin = ledger.firstSeq > after ? 0 : after;
  for (const chain of chains) {
    const begun = standing.begun(chain.id, begin, to);
    if (begun.length < 2) continue;
    const growing = new Set(VALUE_CLASSES.map((_, index) => standing.lastTold(chain.id, index + 1)?.from));
    for (const [index, { from, to: end, row }] of begun.entries()) {
      const next = begun[index + 1]?.from;
      // One whose record was not taken yet is told again when this file has to be given up.
      if (next === undefined || Math.max(end, row) > chain.through || growing.has(from)) continue;
      if (ledger.next(from - 1, Math.max(end, next - 1)) !== undefined) continue;
      standing.dropTold(chain.id, from);
      tables.dropDead(chain.id, from);
    }
  }
}
