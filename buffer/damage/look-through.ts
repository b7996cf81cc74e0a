/** SQLite's own look at the structure of a whole file. Row checksums are not its business: they are looked at where rows are read. */
import type { Connection } from "../ledger/connection.ts";
import { faultOf } from "../store-error.ts";

/** The first damage found, in words; null when there is none. Other errors of the disk are thrown. */
export function lookThrough(db: Connection): string | null {
  try {
    const [first] = db.pragma("quick_check(1)") as readonly { readonly quick_check: string }[];
    return first === undefined || first.quick_check === "ok" ? null : first.quick_check;
  } catch (cause) {
    if (!(cause instanceof Error) || faultOf(cause) !== "corrupt") throw cause;
    return cause.message;
  }
}
