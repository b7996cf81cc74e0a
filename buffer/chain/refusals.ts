/** Rows a destination will never take, from when we learn it until it is on the disk: noted as dead, and named by loss records. */
import type { RecordType } from "../../agent/contract/record.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Books } from "../ledger/books.ts";
import type { Chain } from "./chain.ts";
import type { Loss } from "../loss/loss.ts";
import { tellLoss, type Teller, type UntoldLoss } from "../loss/losses.ts";

/** Ranges of dead letters kept for one destination. */
export const MOST_DEAD = 2_000;
/** Further than this a range does not grow: a person's wish to send it again is looked at at once. */
const MOST_NUMBERS = 10_000;
/** When there are more, the oldest go down to this: not one at a time. */
const DEAD_KEPT = 1_800;

export interface Refusal {
  readonly chain: Chain;
  readonly seq: number;
  /** The row before it in the destination's chain. */
  readonly prev: number;
  /** Null when the row cannot be read. */
  readonly type: RecordType | null;
  /** The broker's words, or `corrupt`, or `retention`. */
  readonly reason: string;
  readonly lossReason: Loss["reason"];
  /** It was refused before, sent again by hand, and counts once. */
  readonly isAgain: boolean;
}
export interface RefusedRange {
  readonly chain: Chain;
  readonly reason: string;
  readonly from: number;
  readonly to: number;
  /** The row before it in the destination's chain. */
  readonly prev: number;
  /** Null when all of it are loss records: naming a lost loss by a loss would never end. Only those beyond what can be owed come here. */
  readonly loss: UntoldLoss | null;
}

/** Neighbours in one chain, refused for one reason, become one range and one loss. */
export function refusedRanges(refusals: readonly Refusal[], now: UnixMs): readonly RefusedRange[] {
  const runs: Refusal[][] = [];
  const sorted = [...refusals].sort((a, b) => a.chain.id - b.chain.id || a.seq - b.seq);
  for (const refusal of sorted) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (run && before?.chain === refusal.chain && before.seq === beforeOwed(refusal.chain, refusal.prev) && before.reason === refusal.reason) run.push(refusal);
    else runs.push([refusal]);
  }
  return runs.flatMap((run) => {
    const [first, last] = [run[0], run.at(-1)];
    if (!first || !last) return [];
    const { chain, reason } = first;
    const byType: Partial<Record<RecordType, number>> = {};
    const named = run.filter(({ type }) => type !== "loss");
    for (const { type } of named) if (type) byType[type] = (byType[type] ?? 0) + 1;
    const loss: UntoldLoss = { reason: first.lossReason, from: first.seq, to: last.seq, value: 0, count: named.length, byType, start: now, end: now };
    return [{ chain, reason, from: first.seq, to: last.seq, prev: first.prev, loss: named.length === 0 ? null : loss }];
  });
}

/**
 * Notes a range: as dead letters, and by a loss record. What follows a range that was refused for the same reason joins
 * it, so that a broker that takes nothing leaves few ranges and few losses. Returns how many ranges went, the
 * oldest, because there are too many: their loss records stand. Inside a transaction.
 */
export function noteRefused({ tables, standing }: Books, teller: Teller, { chain, reason, from, to, prev: last, loss }: RefusedRange): number {
  const prev = beforeOwed(chain, last);
  const before = tables.deadAround(chain.id, prev);
  const joins = before?.to === prev && before.reason === reason && to - before.from < MOST_NUMBERS ? before : undefined;
  const joined = joins && loss ? joinedLoss(standing.told(chain.id, joins.from), loss) : null;
  const isJoined = joins !== undefined && (loss === null || joined !== null);
  tables.putDead({ destination: chain.id, from: isJoined ? joins.from : from, to, reason, at: isJoined ? joins.at : teller.now });
  if (loss) tellLoss(teller, chain, joined ?? loss);
  return tables.deadCount(chain.id) > MOST_DEAD ? tables.purgeOldest(chain.id, chain.through, DEAD_KEPT) : 0;
}
/** The row before, over loss records that are owed: they are no hole in a range. */
function beforeOwed(chain: Chain, prev: number): number {
  let before = prev;
  while (chain.owed.has(before)) before = chain.place(before)?.prev ?? 0;
  return before;
}
/** The loss of a range with what joins it; null where types are unknown. */
function joinedLoss(told: UntoldLoss | undefined, loss: UntoldLoss): UntoldLoss | null {
  if (!told || told.value !== 0 || told.reason !== loss.reason || !isTyped(told) || !isTyped(loss)) return null;
  const byType: Partial<Record<RecordType, number>> = { ...told.byType };
  for (const [type, more] of Object.entries(loss.byType) as [RecordType, number][]) byType[type] = (byType[type] ?? 0) + more;
  return { ...told, to: loss.to, count: told.count + loss.count, byType, end: loss.end };
}
const isTyped = ({ count, byType }: UntoldLoss): boolean => count > 0 && Object.values(byType).reduce((sum, of) => sum + of, 0) === count;
