/** What the buffer is opened with. */
import type { Log } from "../agent/contract/ports.ts";
import type { RecordType } from "../agent/contract/record.ts";
import type { Clock } from "../agent/contract/time.ts";
import type { DescribeLoss } from "./loss.ts";
import type { QuickCheck } from "./quick-check.ts";

export interface DestinationFilter {
  readonly name: string;
  /** Which types are due to it; absent: all. `loss` always is. */
  readonly types?: readonly RecordType[];
}
export interface StoreOptions {
  readonly dataDir: string;
  readonly destinations: readonly DestinationFilter[];
  readonly clock: Clock;
  readonly log: Log;
  readonly describeLoss: DescribeLoss;
  /** Looks the whole file through after an unclean stop; absent: that is left to the checksums of the rows read. */
  readonly quickCheck?: QuickCheck;
  /** Most the database file may take of the disk; beyond half of it acknowledged rows go before their time. Default 1 GiB. */
  readonly budgetBytes?: number;
  /** How long acknowledged rows are kept, so that a broker that lost its queue can be healed. Default 72 h. */
  readonly retentionMs?: number;
  /** Pages in the log at which it is carried into the database when nothing waits; at four times as many, at once. Default 1,000: 4 MB. */
  readonly carryPages?: number;
}
