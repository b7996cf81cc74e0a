/**
 * A destination that comes back into the configuration: while it was away nothing was kept for it. What of its backlog is
 * gone is told by one loss record; which types those rows were of, nobody knows any more.
 */
import type { Books } from "../ledger/books.ts";
import type { Chain } from "./chain.ts";
import { tellLoss, type Teller } from "../loss/losses.ts";
import { VALUE_CLASSES } from "../room/value.ts";

const NO_ONE_CLASS = VALUE_CLASSES.length + 1;

/** Inside a transaction. */
export function tellAbsence({ ledger, rows }: Books, chain: Chain, teller: Teller): void {
  if (!chain.wasAway) return;
  const to = Math.max(ledger.firstSeq - 1, Math.min(ledger.absent?.to ?? 0, chain.lastDue.seq));
  const due = chain.dueThrough(to) - chain.throughN;
  if (due <= 0) return;
  let kept = 0;
  for (let next = rows.next(chain, chain.through); next && next.seq <= to; next = rows.next(chain, next.seq)) kept++;
  const count = due - kept - chain.lostAhead;
  if (count <= 0) return;
  chain.missOut(count, to);
  const { now } = teller;
  tellLoss(teller, chain, { reason: "retention", from: chain.through + 1, to, value: NO_ONE_CLASS, count, byType: {}, start: now, end: now });
  chain.save();
}
