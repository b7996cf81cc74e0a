/** Loss records as a destination has been told them: each is told anew, with the next revision, when it grows or proves wrong. */
import type { UnixMs } from "../agent/contract/time.ts";
import type { Chain } from "./chain.ts";
import type { PreparedRow } from "./ledger.ts";
import { lossRow, type DescribeLoss, type Loss } from "./loss.ts";
import type { StandingTables, ToldLoss } from "./standing-tables.ts";

/** A loss without what its telling adds. */
export type UntoldLoss = Omit<ToldLoss, "destination" | "rev">;

export interface Teller {
  readonly standing: StandingTables;
  readonly describe: DescribeLoss;
  readonly epoch: string;
  readonly now: UnixMs;
}

/** Notes the loss and makes the row that tells it. Inside a transaction; the caller appends the row. */
export function tellLoss({ standing, describe, epoch, now }: Teller, chain: Chain, loss: UntoldLoss): PreparedRow {
  const before = standing.told(chain.id, loss.from);
  const told = { ...loss, destination: chain.id, rev: (before?.rev ?? 0) + 1, start: before?.start ?? loss.start };
  standing.putTold(told);
  const isVoid = told.count === 0;
  // A void record keeps the body it had, for audit.
  const { count, byType, to } = isVoid && before ? before : told;
  const body: Loss = {
    destination: chain.name, reason: told.reason, lostEpoch: epoch, fromSeq: told.from, toSeq: to, count, byType,
    start: told.start, end: told.end, rev: told.rev, isVoid,
  };
  return lossRow(describe, body, now);
}
