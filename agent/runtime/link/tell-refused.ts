/** Says in the log what a destination refused for good. Records become dead letters; a loss record is owed, and comes again. */
import type { Outcome, StoredRecord } from "../../contract/outbox.ts";
import type { Log } from "../../contract/ports.ts";

/** True: loss records are among them. */
export function tellRefused({ rejected }: Outcome, records: readonly StoredRecord[], log: Log): boolean {
  if (rejected.length === 0) return false;
  const losses = new Set(records.flatMap(({ seq, type }) => (type === "loss" ? [seq] : [])));
  const [owed, dead] = [rejected.filter(({ seq }) => losses.has(seq)), rejected.filter(({ seq }) => !losses.has(seq))];
  if (dead.length > 0) log.error({ count: dead.length, first: dead[0] }, "The destination refused records for good: cellgate buffer dead lists them, and sends them again once it is put right");
  if (owed.length > 0) log.warn({ count: owed.length, first: owed[0] }, "The destination refused loss records: they are sent again soon, then every few minutes and with each new link, until it takes them");
  return owed.length > 0;
}
