/**
 * How many rows each destination never got, by the site's day on which they were learned and by machine: for receipts,
 * which must add up long after the rows themselves are gone. Counted in the transaction that gives them up; taken back
 * when one that was refused is taken after all. Loss records and receipts are not counted.
 */
import type { DroppedCount } from "../../agent/contract/outbox.ts";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";
import { crcOf } from "../ledger/checksum.ts";
import type { Connection } from "../ledger/connection.ts";
import type { Loss } from "./loss.ts";
import { TYPE_CODES } from "../ledger/schema.ts";
import { faulty } from "../store-error.ts";

/** Longer than a day waits for its last receipt. */
const KEPT_MS = 30 * 86_400_000;
/** A row that is not there any more: nobody can tell whose it was. */
const UNKNOWN = 0;

interface Counted { readonly destination: number; readonly day: string; readonly machine: number; readonly cause: string; readonly count: number; readonly crc: number }
interface Row { readonly seq: number; readonly machine: number; readonly type: number; readonly observed: number }

const sumOf = ({ destination, day, machine, cause, count }: Omit<Counted, "crc">): number => crcOf(`${destination}|${day}|${machine}|${cause}|${count}`);

export type Drops = ReturnType<typeof openDrops>;

export const utcDay = (at: UnixMs): string => new Date(at).toISOString().slice(0, 10);

export function openDrops(db: Connection, dayOf: (at: UnixMs) => string) {
  const rows = db.prepare<[number, number], Row>("SELECT seq, machine, type, observed FROM record WHERE seq >= ? AND seq <= ?");
  const one = db.prepare<[number, string, number, string], Counted>("SELECT destination, day, machine, cause, count, crc FROM dropped WHERE destination = ? AND day = ? AND machine = ? AND cause = ?");
  const put = db.prepare<[number, string, number, string, number, number]>("INSERT OR REPLACE INTO dropped (destination, day, machine, cause, count, crc) VALUES (?, ?, ?, ?, ?, ?)");
  const forget = db.prepare<[string]>("DELETE FROM dropped WHERE day < ?");
  const ofDay = db.prepare<[string], Counted & { readonly name: string; readonly whose: string | null }>(
    "SELECT d.destination, d.day, d.machine, d.cause, d.count, d.crc, n.name, m.name AS whose FROM dropped d JOIN destination n ON n.id = d.destination LEFT JOIN machine m ON m.id = d.machine WHERE d.day = ?");
  const checked = <T extends Counted>(row: T): T => {
    if (row.crc !== sumOf(row)) throw faulty("corrupt", `a row of the table dropped in ${db.name} does not match its checksum: ${JSON.stringify(row)}`);
    return row;
  };
  const add = (key: Omit<Counted, "count" | "crc">, by: number): void => {
    const before = one.get(key.destination, key.day, key.machine, key.cause);
    const count = Math.max(0, (before ? checked(before).count : 0) + by);
    put.run(key.destination, key.day, key.machine, key.cause, count, sumOf({ ...key, count }));
  };
  return {
    /** Inside a transaction, while the rows are still there. `by`: -1 when they were taken after all. */
    note(destination: number, { cause, seqs, now, by = 1 }: { readonly cause: Loss["reason"]; readonly seqs: readonly number[]; readonly now: UnixMs; readonly by?: 1 | -1 }): void {
      if (seqs.length === 0) return;
      const there = new Map(rows.all(Math.min(...seqs), Math.max(...seqs)).map((row) => [row.seq, row]));
      const sums = new Map<string, { readonly day: string; readonly machine: number; count: number }>();
      for (const seq of seqs) {
        const row = there.get(seq);
        if (row && (row.type === TYPE_CODES.loss || row.type === TYPE_CODES.receipt)) continue;
        const [day, machine] = [dayOf(row ? unixMs(row.observed) : now), row?.machine ?? UNKNOWN];
        const sum = sums.get(`${day}|${machine}`) ?? { day, machine, count: 0 };
        sum.count += by;
        sums.set(`${day}|${machine}`, sum);
      }
      for (const { day, machine, count } of sums.values()) add({ destination, day, machine, cause }, count);
      // By the rows' own time: a demo's days are not ours.
      const newest = Math.max(...[...there.values()].map(({ observed }) => observed), 0);
      if (newest > KEPT_MS) forget.run(dayOf(unixMs(newest - KEPT_MS)));
    },
    on: (day: string): readonly DroppedCount[] => ofDay.all(day).filter((row) => checked(row).count > 0)
      .map(({ name, whose, cause, count }) => ({ destination: name, machine: whose, cause: cause as Loss["reason"], count })),
  };
}
