/**
 * Pages of the database, and rows leaving it. SQLite gives a page back only when two thirds of it are empty: where some
 * of a slice's rows stay, they are written anew, in order, so that what was given up is room at once (measured: nothing
 * came back of half the rows deleted one here, one there; 95% of it when the rest was written anew).
 */
import type { Connection } from "../ledger/connection.ts";

export interface Peeked {
  readonly seq: number;
  readonly type: number;
  readonly start: number;
}
/** Fewer leave than this share of a slice: writing the others anew would cost more than it gives. */
const REPACK_SHARE = 1 / 16;

export type Space = ReturnType<typeof openSpace>;

export function openSpace(db: Connection) {
  const peek = db.prepare<[number, number, number], Peeked>("SELECT seq, type, start FROM record WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
  const peekType = db.prepare<[number, number, number], Peeked>("SELECT seq, type, start FROM record WHERE seq > ? AND seq <= ? AND type = ? ORDER BY seq");
  const whole = db.prepare<[number, number], readonly unknown[]>("SELECT seq, machine, type, id, rev, start, observed, late, context, crc, body FROM record WHERE seq > ? AND seq <= ? ORDER BY seq").raw();
  const insert = db.prepare("INSERT INTO record (seq, machine, type, id, rev, start, observed, late, context, crc, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const removeRange = db.prepare<[number, number]>("DELETE FROM record WHERE seq > ? AND seq <= ?");
  const removeOne = db.prepare<[number]>("DELETE FROM record WHERE seq = ?");
  const observed = db.prepare<[number], number>("SELECT observed FROM record WHERE seq <= ? ORDER BY seq DESC LIMIT 1").pluck();
  // Asked at each write: prepared once.
  const pages = db.prepare<[], number>("PRAGMA page_count").pluck();
  const free = db.prepare<[], number>("PRAGMA freelist_count").pluck();
  return {
    /** Rows after `after` up to `to`, without their bodies. */
    peek: (after: number, to: number, limit: number): readonly Peeked[] => peek.all(after, to, limit),
    /** Those of one type. */
    peekType: (after: number, to: number, type: number): readonly Peeked[] => peekType.all(after, to, type),
    /** When the last row up to `seq` was learned; 0 when there is none. */
    observedAt: (seq: number): number => observed.get(seq) ?? 0,
    /** Inside a transaction. `rows`: all that is there after `after` up to `to`. */
    remove(after: number, to: number, rows: readonly Peeked[], going: ReadonlySet<number>): void {
      if (going.size === rows.length) return void removeRange.run(after, to);
      if (going.size < rows.length * REPACK_SHARE) {
        for (const seq of going) removeOne.run(seq);
        return;
      }
      const staying = whole.all(after, to).filter(([seq]) => !going.has(Number(seq)));
      removeRange.run(after, to);
      for (const row of staying) insert.run(...row);
    },
    /** Few among others that stay. */
    removeEach(seqs: ReadonlySet<number>): void {
      for (const seq of seqs) removeOne.run(seq);
    },
    removeRange: (after: number, to: number): void => void removeRange.run(after, to),
    /** Pages of the file, used or free to be used again. */
    pages: (): number => pages.get() ?? 0,
    /** Pages in use. */
    used: (): number => (pages.get() ?? 0) - (free.get() ?? 0),
    /** Most pages the file may grow to; never fewer than it has. */
    limit: (pages: number): void => void db.pragma(`max_page_count = ${Math.max(1, Math.floor(pages))}`),
  };
}
