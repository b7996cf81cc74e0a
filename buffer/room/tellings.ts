/**
 * Which loss records may be given up, after all else: one of which a later revision is kept, for that says all of it; and
 * one that whoever it concerns was told, though nobody may ever have confirmed it. What was not told yet stays: of that
 * there is one record for each destination and class, and what a live link has just refused.
 */
import type { Books } from "../ledger/books.ts";
import type { Chain } from "../chain/chain.ts";

export type Telling = "superseded" | "told" | "untold";

/** Of a row that is a loss record. One that cannot be read stays: whoever reads it is told so. `chains`: configured destinations. */
export function tellingsOf({ ledger, standing }: Books, chains: readonly Chain[]): (seq: number) => Telling {
  const wasTold = (chain: Chain, seq: number): boolean => chain.isSettled(seq) && !chain.isReleased(seq);
  return (seq) => {
    const [row] = ledger.read(seq - 1, seq, 1);
    const names = row && !("damaged" in row) && row.seq === seq ? namesOf(row.body) : null;
    if (!row || "damaged" in row || names === null) return "untold";
    const { destination, lostEpoch, fromSeq } = names;
    const owner = chains.find(({ name }) => name === destination);
    const last = owner && fromSeq !== null && lostEpoch === ledger.epoch ? standing.told(owner.id, fromSeq) : undefined;
    if (last && last.row > seq && last.rev > row.rev && ledger.typeOf(last.row) === "loss") return "superseded";
    // Whom it concerns is not configured any more: there is nobody to tell.
    const concerned = destination === null ? chains : owner ? [owner] : [];
    return concerned.every((chain) => wasTold(chain, seq)) ? "told" : "untold";
  };
}

function namesOf(body: string): { readonly destination: string | null; readonly lostEpoch: string; readonly fromSeq: number | null } | null {
  const { destination, lostEpoch, fromSeq } = JSON.parse(body) as { readonly destination?: unknown; readonly lostEpoch?: unknown; readonly fromSeq?: unknown };
  const isNamed = (destination === null || typeof destination === "string") && typeof lostEpoch === "string" && (fromSeq === null || typeof fromSeq === "number");
  return isNamed ? { destination, lostEpoch, fromSeq } : null;
}
