/** The tables of destinations, on one connection: cursors, routes, chains under a filter, rows refused. */
import type { UnixMs } from "../../agent/contract/time.ts";
import { crcOf } from "../ledger/checksum.ts";
import type { Connection } from "../ledger/connection.ts";
import { RECORD_COLUMNS, type StoredRow } from "../ledger/ledger.ts";
import { faulty } from "../store-error.ts";

/** A row due to a destination: the one before it in its chain, and its number among all that were due. */
export interface Due {
  readonly seq: number;
  readonly prev: number;
  readonly n: number;
}
/** A filter and the rows it was in force for: from `since` to before the next route's. */
export interface Route {
  readonly destination: number;
  readonly since: number;
  readonly types: string;
  readonly base: number;
  readonly base_n: number;
}
export interface CursorRow {
  readonly id: number;
  readonly through: number;
  readonly through_n: number;
  readonly rejected: number;
}
export interface Dead {
  readonly destination: number;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly at: UnixMs;
}
type Summed<T> = T & { readonly crc: number };

const cursorCrc = (row: CursorRow): number => crcOf(`${row.id}|${row.through}|${row.through_n}|${row.rejected}`);
const routeCrc = (row: Route): number => crcOf(`${row.destination}|${row.since}|${row.types}|${row.base}|${row.base_n}`);
const dueCrc = (destination: number, { seq, prev, n }: Due): number => crcOf(`${destination}|${seq}|${prev}|${n}`);

export type ChainTables = ReturnType<typeof openChainTables>;

export function openChainTables(db: Connection) {
  const cursors = db.prepare<[], Summed<CursorRow> & { readonly name: string }>("SELECT id, name, through, through_n, rejected, crc FROM destination ORDER BY id");
  const addCursor = db.prepare<[string, number]>("INSERT INTO destination (name, through, through_n, rejected, crc) VALUES (?, 0, 0, 0, ?)");
  const putCursor = db.prepare<[number, number, number, number, number]>("UPDATE destination SET through = ?, through_n = ?, rejected = ?, crc = ? WHERE id = ?");
  const routes = db.prepare<[number], Summed<Route>>("SELECT destination, since, types, base, base_n, crc FROM route WHERE destination = ? ORDER BY since");
  const putRoute = db.prepare<[number, number, string, number, number, number]>("INSERT OR REPLACE INTO route (destination, since, types, base, base_n, crc) VALUES (?, ?, ?, ?, ?, ?)");
  const due = db.prepare<[number, number], Summed<Due>>("SELECT seq, prev, n, crc FROM due WHERE destination = ? AND seq = ?");
  const lastDue = db.prepare<[number], Summed<Due>>("SELECT seq, prev, n, crc FROM due WHERE destination = ? ORDER BY seq DESC LIMIT 1");
  const dueBefore = db.prepare<[number, number], Summed<Due>>("SELECT seq, prev, n, crc FROM due WHERE destination = ? AND seq <= ? ORDER BY seq DESC LIMIT 1");
  const nextDue = db.prepare<[number, number], Summed<Due>>("SELECT seq, prev, n, crc FROM due WHERE destination = ? AND seq > ? ORDER BY seq LIMIT 1");
  const dueBetween = db.prepare<[number, number, number], number>("SELECT seq FROM due WHERE destination = ? AND seq > ? AND seq <= ?").pluck();
  const putDue = db.prepare<[number, number, number, number, number]>("INSERT INTO due (destination, seq, prev, n, crc) VALUES (?, ?, ?, ?, ?)");
  const range = db.prepare<[number, number, number, number], Summed<Due> & { readonly due_seq: number; readonly due_crc: number } & Partial<StoredRow>>(
    `SELECT d.seq AS due_seq, d.prev, d.n, d.crc AS due_crc, ${RECORD_COLUMNS} FROM due d LEFT JOIN record r ON r.seq = d.seq
     WHERE d.destination = ? AND d.seq > ? AND d.seq <= ? ORDER BY d.seq LIMIT ?`);
  const dropDue = db.prepare<[number, number]>("DELETE FROM due WHERE destination = ? AND seq = ?");
  const forgetDue = db.prepare<[number, number]>("DELETE FROM due WHERE destination = ? AND seq <= ?");

  const checked = <T extends object>(row: Summed<T>, crc: number, table: string): Summed<T> => {
    if (row.crc !== crc) throw faulty("corrupt", `a row of the table ${table} in ${db.name} does not match its checksum: ${JSON.stringify(row)}`);
    return row;
  };
  const checkedDue = (destination: number, row: Summed<Due> | undefined): Due | undefined => row && checked(row, dueCrc(destination, row), "due");

  return {
    cursors: () => cursors.all().map((row) => checked(row, cursorCrc(row), "destination")),
    addCursor(name: string): void {
      const { lastInsertRowid } = addCursor.run(name, 0);
      this.putCursor({ id: Number(lastInsertRowid), through: 0, through_n: 0, rejected: 0 });
    },
    putCursor: (row: CursorRow): void => void putCursor.run(row.through, row.through_n, row.rejected, cursorCrc(row), row.id),
    routes: (destination: number): readonly Route[] => routes.all(destination).map((row) => checked(row, routeCrc(row), "route")),
    putRoute: (row: Route): void => void putRoute.run(row.destination, row.since, row.types, row.base, row.base_n, routeCrc(row)),
    due: (destination: number, seq: number): Due | undefined => checkedDue(destination, due.get(destination, seq)),
    lastDue: (destination: number): Due | undefined => checkedDue(destination, lastDue.get(destination)),
    nextDue: (destination: number, after: number): Due | undefined => checkedDue(destination, nextDue.get(destination, after)),
    /** The last row due up to `seq`. */
    dueBefore: (destination: number, seq: number): Due | undefined => checkedDue(destination, dueBefore.get(destination, seq)),
    dueBetween: (destination: number, after: number, to: number): readonly number[] => dueBetween.all(destination, after, to),
    dropDue: (destination: number, seq: number): void => void dropDue.run(destination, seq),
    forgetDue: (destination: number, through: number): void => void forgetDue.run(destination, through),
    putDue: (destination: number, row: Due): void => void putDue.run(destination, row.seq, row.prev, row.n, dueCrc(destination, row)),
    /** Rows due under a filter, each with its record; `row` is null when the record is not there. */
    *readDue(destination: number, after: number, through: number, limit: number): Generator<{ readonly due: Due; readonly row: StoredRow | null }> {
      for (const joined of range.all(destination, after, through, limit)) {
        const place = { seq: joined.due_seq, prev: joined.prev, n: joined.n };
        checked({ ...place, crc: joined.due_crc }, dueCrc(destination, place), "due");
        yield { due: place, row: joined.seq === null ? null : (joined as unknown as StoredRow) };
      }
    },
    ...openDead(db),
  };
}

/** Rows a destination will never take, on one connection. */
function openDead(db: Connection) {
  const DEAD = "destination, from_seq AS \"from\", to_seq AS \"to\", reason, at";
  const deadLetters = db.prepare<[number], Dead>(`SELECT ${DEAD} FROM dead ORDER BY at, from_seq LIMIT ?`);
  const deadFrom = db.prepare<[number, number], Dead>(`SELECT ${DEAD} FROM dead WHERE destination = ? AND from_seq = ?`);
  const deadAround = db.prepare<[number, number], Dead>(`SELECT ${DEAD} FROM dead WHERE destination = ? AND from_seq <= ? ORDER BY from_seq DESC LIMIT 1`);
  const deadBetween = db.prepare<[number, number, number], Dead>(`SELECT ${DEAD} FROM dead WHERE destination = ? AND to_seq >= ? AND from_seq <= ?`);
  const dropDead = db.prepare<[number, number]>("DELETE FROM dead WHERE destination = ? AND from_seq = ?");
  const forgetDead = db.prepare<[number, number]>("DELETE FROM dead WHERE destination = ? AND to_seq < ?");
  const putDead = db.prepare<[number, number, number, string, number]>("INSERT OR REPLACE INTO dead (destination, from_seq, to_seq, reason, at) VALUES (?, ?, ?, ?, ?)");
  // Under a filter a range also holds numbers that were never due.
  const deadRows = db.prepare<[number], number>(`
    SELECT coalesce(sum(CASE WHEN EXISTS (SELECT 1 FROM due u WHERE u.destination = d.destination AND u.seq = d.from_seq)
      THEN (SELECT count(*) FROM due u WHERE u.destination = d.destination AND u.seq BETWEEN d.from_seq AND d.to_seq)
      ELSE d.to_seq - d.from_seq + 1 END), 0) FROM dead d WHERE d.destination = ?`).pluck();
  /** Asked for several times a second, and changed rarely. */
  const counted = new Map<number, number>();
  const changed = (destination: number, { changes }: { readonly changes: number }): void => {
    if (changes > 0) counted.delete(destination);
  };
  const deadCount = db.prepare<[number], number>("SELECT count(*) FROM dead WHERE destination = ?").pluck();
  const purgeOldest = db.prepare<[number, number, number, number]>(
    "DELETE FROM dead WHERE destination = ? AND to_seq <= ? AND from_seq IN (SELECT from_seq FROM dead WHERE destination = ? ORDER BY to_seq DESC LIMIT -1 OFFSET ?)");
  return {
    deadCount: (destination: number): number => deadCount.get(destination) ?? 0,
    /** Forgets all but the newest `kept`, of those up to `through`; returns how many. */
    purgeOldest(destination: number, through: number, kept: number): number {
      const done = purgeOldest.run(destination, through, destination, kept);
      changed(destination, done);
      return done.changes;
    },
    deadLetters: (limit: number): readonly Dead[] => deadLetters.all(limit),
    deadFrom: (destination: number, from: number): Dead | undefined => deadFrom.get(destination, from),
    /** The range of dead letters a row lies in. */
    deadAround(destination: number, seq: number): Dead | undefined {
      const dead = deadAround.get(destination, seq);
      return dead && dead.to >= seq ? dead : undefined;
    },
    deadBetween: (destination: number, from: number, to: number): readonly Dead[] => deadBetween.all(destination, from, to),
    /** How many rows they are. */
    deadRows(destination: number): number {
      const rows = counted.get(destination) ?? deadRows.get(destination) ?? 0;
      counted.set(destination, rows);
      return rows;
    },
    dropDead: (destination: number, from: number): void => changed(destination, dropDead.run(destination, from)),
    forgetDead: (destination: number, before: number): void => changed(destination, forgetDead.run(destination, before)),
    putDead: (dead: Dead): void => changed(dead.destination, putDead.run(dead.destination, dead.from, dead.to, dead.reason, dead.at)),
  };
}
