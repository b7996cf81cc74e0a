/** What the buffer is opened with. */
import type { Log } from "../agent/contract/ports.ts";
import type { RecordType } from "../agent/contract/record.ts";
import type { Clock, UnixMs } from "../agent/contract/time.ts";
import type { DescribeLoss } from "./loss/loss.ts";
import type { QuickCheck } from "./damage/quick-check.ts";
import type { Card } from "./writing/wear.ts";

export interface DestinationFilter {
  readonly name: string;
  /** Which types are due to it; absent: all. `loss` always is. */
  readonly types?: readonly RecordType[];
  /** Its bridge confirms what it has stored: a row given up unconfirmed is a loss. */
  readonly confirm?: boolean;
  /** Most of the buffer that may wait for it alone; absent: no bound of its own. */
  readonly limitBytes?: number;
}
export interface StoreOptions {
  readonly dataDir: string;
  readonly destinations: readonly DestinationFilter[];
  readonly clock: Clock;
  readonly log: Log;
  readonly describeLoss: DescribeLoss;
  /** Looks the whole file through after an unclean stop; absent: that is left to the checksums of the rows read. */
  readonly quickCheck?: QuickCheck;
  /** Most the database file may take of the disk; from 90% of it on rows are given up, the least valuable first. Default 1 GiB. */
  readonly budgetBytes?: number;
  /** Share of the file system that the buffer leaves free. Default 0. */
  readonly keepFree?: number;
  /** How long delivered rows stay while the buffer is under half its budget. Default 7 days. */
  readonly historyMs?: number;
  /** How long a row that only the broker acknowledged is kept before its room may be used. Default 72 h. */
  readonly healWindowMs?: number;
  /** The site's day an instant lies in, YYYY-MM-DD: what is given up is counted by it, for receipts. Default: UTC's. */
  readonly dayOf?: (at: UnixMs) => string;
  /** The medium: writing is held within what it endures. */
  readonly card?: Card;
  /** Pages in the log at which it is carried into the database when nothing waits; at four times as many, at once. Default 1,000: 4 MB. */
  readonly carryPages?: number;
}
