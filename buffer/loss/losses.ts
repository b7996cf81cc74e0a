/**
 * Loss records as they have been told: each is told anew, with the next revision, when it grows or proves wrong. One that
 * nobody can have seen yet is written over instead, so that a long outage leaves one record and not a thousand revisions.
 */
import type { RecordType } from "../../agent/contract/record.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Chain } from "../chain/chain.ts";
import type { Ledger, PreparedRow } from "../ledger/ledger.ts";
import { lossRow, type DescribeLoss, type Loss } from "./loss.ts";
import type { StandingTables, ToldLoss } from "../chain/standing-tables.ts";

/** A loss without what its telling adds. */
export type UntoldLoss = Omit<ToldLoss, "destination" | "rev" | "row">;

export interface Teller {
  readonly ledger: Ledger;
  readonly standing: StandingTables;
  readonly describe: DescribeLoss;
  readonly epoch: string;
  readonly now: UnixMs;
  readonly append: (row: PreparedRow) => number;
  /** True when a row was never handed to any destination. */
  readonly isUnseen: (seq: number) => boolean;
}

/** Whether one of the losses names a row: of a type it counts, within its numbers. Where types are unknown it names all. */
export function coveredBy(losses: readonly ToldLoss[]): (seq: number, type: RecordType) => boolean {
  if (losses.length === 0) return () => false;
  return (seq, type) => losses.some(({ from, to, byType }) => from <= seq && seq <= to && (byType[type] !== undefined || Object.keys(byType).length === 0));
}

/** Inside a transaction. */
export function tellLoss({ ledger, standing, describe, epoch, now, append, isUnseen }: Teller, chain: Chain, loss: UntoldLoss): void {
  const before = standing.told(chain.id, loss.from);
  const isVoid = loss.count === 0;
  const unseen = before && !isVoid && isUnseen(before.row) && ledger.typeOf(before.row) === "loss" ? before.row : null;
  const [rev, start] = [unseen === null ? (before?.rev ?? 0) + 1 : (before?.rev ?? 1), before?.start ?? loss.start];
  // A void record keeps the body it had, for audit.
  const { count, byType, to } = isVoid && before ? before : loss;
  const told: Loss = {
    destination: chain.name, reason: loss.reason, lostEpoch: epoch, fromSeq: loss.from, toSeq: to, count, byType, start, end: loss.end, rev, isVoid,
  };
  const row = lossRow(describe, told, now);
  if (unseen !== null) ledger.writeOver(unseen, row);
  standing.putTold({ ...loss, destination: chain.id, rev, start, row: unseen ?? append(row) });
  if (before && !isVoid && loss.from <= before.row && before.row <= to) letGo(chain, before.row, loss.value);
}

/** The telling before was refused: what it said is said anew, and its own number lies in what this one names. One ahead of the cursor is known as settled only where refused rows are told. */
function letGo(chain: Chain, row: number, value: number): void {
  if ((value !== 0 && row > chain.through) || !chain.owed.take(row)) return;
  if (chain.replays.of(row)?.released === true) chain.released++; // Somebody sends the range it lies in again.
  else chain.rejected++;
}
