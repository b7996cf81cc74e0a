/** Rows a destination will never take, from when we learn it until it is on the disk: noted as dead, and named by loss records. */
import type { RecordType } from "../agent/contract/record.ts";
import type { UnixMs } from "../agent/contract/time.ts";
import type { Chain } from "./chain.ts";
import type { Loss } from "./loss.ts";
import type { UntoldLoss } from "./losses.ts";

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
  /** Null when all of it are loss records: naming a lost loss by a loss would never end. They stay in `dead`. */
  readonly loss: UntoldLoss | null;
}

/** Neighbours in one chain, refused for one reason, become one range and one loss. */
export function refusedRanges(refusals: readonly Refusal[], now: UnixMs): readonly RefusedRange[] {
  const runs: Refusal[][] = [];
  const sorted = [...refusals].sort((a, b) => a.chain.id - b.chain.id || a.seq - b.seq);
  for (const refusal of sorted) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (run && before?.chain === refusal.chain && before.seq === refusal.prev && before.reason === refusal.reason) run.push(refusal);
    else runs.push([refusal]);
  }
  return runs.flatMap((run) => {
    const [first, last] = [run[0], run.at(-1)];
    if (!first || !last) return [];
    const { chain, reason } = first;
    const byType: Partial<Record<RecordType, number>> = {};
    for (const { type } of run) if (type) byType[type] = (byType[type] ?? 0) + 1;
    const loss: UntoldLoss = { reason: first.lossReason, from: first.seq, to: last.seq, value: 0, count: run.length, byType, start: now, end: now };
    return [{ chain, reason, from: first.seq, to: last.seq, loss: run.every(({ type }) => type === "loss") ? null : loss }];
  });
}
