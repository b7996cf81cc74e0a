/** What a destination still wants of rows, for a slice of the ledger: asked before any of them goes. */
import type { Books } from "./books.ts";
import { ALL, type Chain } from "./chain.ts";

/**
 * undue: never meant for it. covered: given up for it before, a loss record says so. had: done with. young: only its broker
 * acknowledged it, not long ago. needed: not acknowledged, not confirmed though its bridge confirms, or asked for again.
 * held: acknowledged before a row that is not; its cursor must pass it first.
 */
export type Claim = "undue" | "covered" | "had" | "young" | "needed" | "held";
export type Claims = (seq: number, value: number) => Claim;

export interface Slice {
  readonly after: number;
  readonly to: number;
}

/** `healed`: up to there its broker has had rows long enough. `refused`: rows refused and not yet on the disk. */
export function claimsOf({ tables, rows }: Books, chain: Chain, { after, to }: Slice, { healed, refused }: { readonly healed: number; readonly refused: ReadonlySet<number> }): Claims {
  const isDue = dueTest(chain, after, to, () => new Set(tables.dueBetween(chain.id, after, to)));
  const dead = tables.deadBetween(chain.id, after + 1, to);
  const confirmed = chain.confirmedThrough ?? 0;
  return (seq, value) => {
    if (!isDue(seq)) return "undue";
    if (!chain.isSettled(seq)) return rows.isGivenUp(chain, seq, value) ? "covered" : "needed";
    if (seq > chain.through) return "held";
    if (rows.isGivenUp(chain, seq, value)) return "covered";
    if (chain.replays.of(seq)) return "needed";
    if (seq <= confirmed || refused.has(seq) || dead.some((range) => range.from <= seq && seq <= range.to)) return "had";
    return chain.isConfirming ? "needed" : seq <= healed ? "had" : "young";
  };
}

function dueTest(chain: Chain, after: number, to: number, listed: () => ReadonlySet<number>): (seq: number) => boolean {
  const segments = [...chain.segments(after, to)].map((segment) => ({ from: segment.route.since, to: segment.to, isAll: segment.route.types === ALL }));
  const list = segments.some(({ isAll }) => !isAll) ? listed() : null;
  return (seq) => {
    const segment = segments.find((one) => one.from <= seq && seq <= one.to);
    return segment !== undefined && (segment.isAll || list?.has(seq) === true);
  };
}
