/** What a destination still wants of rows, for a slice of the ledger: asked before any of them goes. */
import type { RecordType } from "../../agent/contract/record.ts";
import type { Books } from "../ledger/books.ts";
import { ALL, type Chain } from "./chain.ts";
import { coveredBy } from "../loss/losses.ts";
import { LOSSES } from "../room/value.ts";

/**
 * undue: never meant for it. covered: given up for it before, a loss record says so. had: done with. young: only its broker
 * acknowledged it, not long ago. needed: not acknowledged, not confirmed though its bridge confirms, or asked for again.
 * held: acknowledged before a row that is not, and not waiting to be confirmed; its cursor must pass it first.
 */
export type Claim = "undue" | "covered" | "had" | "young" | "needed" | "held";
export type Claims = (seq: number, type: RecordType | undefined) => Claim;

export interface Slice {
  readonly after: number;
  readonly to: number;
}

/** `healed`: up to there its broker has had rows long enough. `refused`: rows refused and not yet on the disk. */
export function claimsOf({ tables, standing }: Books, chain: Chain, { after, to }: Slice, { healed, refused }: { readonly healed: number; readonly refused: ReadonlySet<number> }): Claims {
  const isDue = dueTest(chain, after, to, () => new Set(tables.dueBetween(chain.id, after, to)));
  const dead = tables.deadBetween(chain.id, after + 1, to);
  const told = standing.toldOver(chain.id, after + 1, to);
  // Refused: also what a person has purged from the dead letters. A loss record that is there was not given up, though one may be told of the others around it.
  const [isToldRefused, isToldLost] = [coveredBy(told.filter(({ value }) => value === 0)), coveredBy(told.filter(({ value }) => value > 0 && value !== LOSSES))];
  const confirmed = chain.confirmedThrough ?? 0;
  return (seq, type) => {
    if (!isDue(seq)) return "undue";
    if (type !== undefined && isToldLost(seq, type)) return "covered";
    if (!chain.isSettled(seq)) return "needed";
    const isRefused = refused.has(seq) || dead.some((range) => range.from <= seq && seq <= range.to) || (type !== undefined && isToldRefused(seq, type));
    if (seq > chain.through) return isRefused || seq <= confirmed || !chain.isConfirming || chain.owed.has(seq) || chain.replays.of(seq) ? "held" : "needed";
    if (chain.owed.has(seq)) return "needed"; // Among refused rows that are dead.
    if (isRefused) return "had";
    if (chain.replays.of(seq)) return "needed";
    if (seq <= confirmed) return "had";
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
