/** The tables that layout 2 added, on one connection: confirmations, rows to send again, losses as told, what was swept, how far was sent. */
import type { RecordType } from "../../agent/contract/record.ts";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";
import { crcOf } from "../ledger/checksum.ts";
import type { Connection } from "../ledger/connection.ts";
import type { Owed } from "./owed.ts";
import type { Loss } from "../loss/loss.ts";
import { faulty } from "../store-error.ts";

export interface Standing {
  readonly destination: number;
  readonly confirmed: number | null;
  readonly lost: number;
  readonly lost_ahead: number;
  readonly lost_to: number;
  readonly lost_to_n: number;
  readonly released: number;
}
export interface ReplayRange {
  readonly from: number;
  readonly to: number;
  /** They were dead letters, and were never taken. */
  readonly released: boolean;
}
/** A loss as last told. */
export interface ToldLoss {
  readonly destination: number;
  readonly from: number;
  readonly to: number;
  readonly rev: number;
  /** Value class; 0: refused rows. */
  readonly value: number;
  readonly reason: Loss["reason"];
  /** 0: void. */
  readonly count: number;
  readonly byType: Readonly<Partial<Record<RecordType, number>>>;
  readonly start: UnixMs;
  readonly end: UnixMs;
  /** Number of its last record. */
  readonly row: number;
}
/** A loss as far as it matters for others that may go on across it. */
export type Begun = Pick<ToldLoss, "from" | "to" | "row" | "count"> & { readonly types: string };
export interface Swept {
  readonly destination: number;
  readonly value: number;
  readonly from: number;
  readonly to: number;
}
export interface Passed {
  readonly at: number;
  readonly through: number;
}
interface LostRow { readonly destination: number; readonly from_seq: number; readonly to_seq: number; readonly rev: number; readonly value: number; readonly reason: string; readonly count: number; readonly by_type: string; readonly start: number; readonly end: number; readonly row: number }
type Summed<T> = T & { readonly crc: number };

const sum = (...values: readonly (number | string | null)[]): number => crcOf(values.join("|"));
const lostSum = (row: LostRow): number =>
  sum(row.destination, row.from_seq, row.to_seq, row.rev, row.value, row.reason, row.count, row.by_type, row.start, row.end, row.row);

export type StandingTables = ReturnType<typeof openStandingTables>;

export function openStandingTables(db: Connection) {
  const checked = checkerOf(db);
  const standing = db.prepare<[number], Summed<Standing>>("SELECT destination, confirmed, lost, lost_ahead, lost_to, lost_to_n, released, crc FROM standing WHERE destination = ?");
  const putStanding = db.prepare<[number, number | null, number, number, number, number, number, number]>("INSERT OR REPLACE INTO standing (destination, confirmed, lost, lost_ahead, lost_to, lost_to_n, released, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  const replays = db.prepare<[number], Summed<{ readonly from_seq: number; readonly to_seq: number; readonly released: number }>>("SELECT from_seq, to_seq, released, crc FROM replay WHERE destination = ? ORDER BY from_seq");
  const dropReplays = db.prepare<[number]>("DELETE FROM replay WHERE destination = ?");
  const putReplay = db.prepare<[number, number, number, number, number]>("INSERT INTO replay (destination, from_seq, to_seq, released, crc) VALUES (?, ?, ?, ?, ?)");
  const owed = db.prepare<[number], Summed<{ readonly seq: number }>>("SELECT seq, crc FROM owed WHERE destination = ? ORDER BY seq");
  const dropOwed = db.prepare<[number, number]>("DELETE FROM owed WHERE destination = ? AND seq = ?");
  const putOwed = db.prepare<[number, number, number]>("INSERT OR REPLACE INTO owed (destination, seq, crc) VALUES (?, ?, ?)");
  const swept = db.prepare<[], Summed<{ readonly destination: number; readonly value: number; readonly from_seq: number; readonly to_seq: number }>>("SELECT destination, value, from_seq, to_seq, crc FROM swept");
  const putSwept = db.prepare<[number, number, number, number, number]>("INSERT OR REPLACE INTO swept (destination, value, from_seq, to_seq, crc) VALUES (?, ?, ?, ?, ?)");
  const passed = db.prepare<[number], Summed<Passed>>("SELECT at, through, crc FROM passed WHERE destination = ? ORDER BY at");
  const putPassed = db.prepare<[number, number, number, number]>("INSERT OR REPLACE INTO passed (destination, at, through, crc) VALUES (?, ?, ?, ?)");
  const dropPassed = db.prepare<[number]>("DELETE FROM passed WHERE destination = ?");
  const sent = db.prepare<[number], Summed<{ readonly through: number }>>("SELECT through, crc FROM sent WHERE destination = ?");
  const putSent = db.prepare<[number, number, number]>("INSERT OR REPLACE INTO sent (destination, through, crc) VALUES (?, ?, ?)");

  return {
    standing(destination: number): Standing | undefined {
      const row = standing.get(destination);
      return row && checked(row, sum(row.destination, row.confirmed, row.lost, row.lost_ahead, row.lost_to, row.lost_to_n, row.released), "standing");
    },
    putStanding(row: Standing): void {
      const crc = sum(row.destination, row.confirmed, row.lost, row.lost_ahead, row.lost_to, row.lost_to_n, row.released);
      putStanding.run(row.destination, row.confirmed, row.lost, row.lost_ahead, row.lost_to, row.lost_to_n, row.released, crc);
    },
    replays: (destination: number): readonly ReplayRange[] => replays.all(destination).map((row) => {
      checked(row, sum(destination, row.from_seq, row.to_seq, row.released), "replay");
      return { from: row.from_seq, to: row.to_seq, released: row.released === 1 };
    }),
    putReplays(destination: number, ranges: readonly ReplayRange[]): void {
      dropReplays.run(destination);
      for (const { from, to, released } of ranges) putReplay.run(destination, from, to, released ? 1 : 0, sum(destination, from, to, released ? 1 : 0));
    },
    owed: (destination: number): readonly number[] => owed.all(destination).map((row) => checked(row, sum(destination, row.seq), "owed").seq),
    putOwed(destination: number, owed: Pick<Owed, "has" | "changed">): void {
      for (const seq of owed.changed) {
        if (owed.has(seq)) putOwed.run(destination, seq, sum(destination, seq));
        else dropOwed.run(destination, seq);
      }
    },
    ...openLost(db),
    swept: (): readonly Swept[] => swept.all().map((row) => {
      checked(row, sum(row.destination, row.value, row.from_seq, row.to_seq), "swept");
      return { destination: row.destination, value: row.value, from: row.from_seq, to: row.to_seq };
    }),
    putSwept: ({ destination, value, from, to }: Swept): void => void putSwept.run(destination, value, from, to, sum(destination, value, from, to)),
    passed: (destination: number): readonly Passed[] => passed.all(destination).map((row) => checked(row, sum(destination, row.at, row.through), "passed")),
    sent(destination: number): number | undefined {
      const row = sent.get(destination);
      return row && checked(row, sum(destination, row.through), "sent").through;
    },
    putSent: (destination: number, through: number): void => void putSent.run(destination, through, sum(destination, through)),
    replacePassed(destination: number, marks: readonly Passed[]): void {
      dropPassed.run(destination);
      for (const { at, through } of marks) putPassed.run(destination, at, through, sum(destination, at, through));
    },
  };
}

/** Losses as last told, on one connection. */
function openLost(db: Connection) {
  const checked = checkerOf(db);
  const LOST = "destination, from_seq, to_seq, rev, value, reason, count, by_type, start, end, row, crc";
  const lost = db.prepare<[number, number], Summed<LostRow>>(`SELECT ${LOST} FROM lost WHERE destination = ? AND from_seq = ?`);
  const lostOfClass = db.prepare<[number, number], Summed<LostRow>>(`SELECT ${LOST} FROM lost WHERE destination = ? AND value = ? ORDER BY from_seq DESC LIMIT 1`);
  const lostOfClassTo = db.prepare<[number, number, number], Summed<LostRow>>(`SELECT ${LOST} FROM lost WHERE destination = ? AND value = ? AND from_seq <= ? AND count > 0 ORDER BY from_seq`);
  const lostBetween = db.prepare<[number, number, number], Summed<LostRow>>(`SELECT ${LOST} FROM lost WHERE destination = ? AND from_seq > ? AND from_seq <= ? AND count > 0`);
  const lostOver = db.prepare<[number, number, number], Summed<LostRow>>(`SELECT ${LOST} FROM lost WHERE destination = ? AND from_seq <= ? AND to_seq >= ? AND count > 0`);
  const begun = db.prepare<[number, number, number], Omit<Begun, "types"> & { readonly by_type: string }>(
    "SELECT from_seq AS \"from\", to_seq AS \"to\", row, count, by_type FROM lost WHERE destination = ? AND from_seq > ? AND from_seq <= ? ORDER BY from_seq");
  const dropLost = db.prepare<[number, number]>("DELETE FROM lost WHERE destination = ? AND from_seq = ?");
  const putLost = db.prepare<[number, number, number, number, number, string, number, string, number, number, number, number]>(`INSERT OR REPLACE INTO lost (${LOST}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const forgetLost = db.prepare<[number, number]>("DELETE FROM lost WHERE to_seq < ? AND destination = ?");
  const told = (row: Summed<LostRow> | undefined): ToldLoss | undefined => {
    if (!row) return undefined;
    checked(row, lostSum(row), "lost");
    return {
      destination: row.destination, from: row.from_seq, to: row.to_seq, rev: row.rev, value: row.value, reason: row.reason as Loss["reason"],
      count: row.count, byType: JSON.parse(row.by_type) as ToldLoss["byType"], start: unixMs(row.start), end: unixMs(row.end), row: row.row,
    };
  };
  return {
    told: (destination: number, from: number): ToldLoss | undefined => told(lost.get(destination, from)),
    lastTold: (destination: number, value: number): ToldLoss | undefined => told(lostOfClass.get(destination, value)),
    /** All of a class that begin up to `to`, in order. */
    toldOfClass: (destination: number, value: number, to: number): readonly ToldLoss[] => lostOfClassTo.all(destination, value, to).flatMap((row) => told(row) ?? []),
    /** Losses that reach into the range. */
    toldOver: (destination: number, from: number, to: number): readonly ToldLoss[] => lostOver.all(destination, to, from).flatMap((row) => told(row) ?? []),
    /** Losses that begin there. */
    toldBetween: (destination: number, after: number, to: number): readonly ToldLoss[] => lostBetween.all(destination, after, to).flatMap((row) => told(row) ?? []),
    /** All that begin there, void ones too; in order. */
    begun: (destination: number, after: number, to: number): readonly Begun[] =>
      begun.all(destination, after, to).map(({ by_type: byType, ...loss }) => ({ ...loss, types: Object.keys(JSON.parse(byType) as object).sort().join() })),
    dropTold: (destination: number, from: number): void => void dropLost.run(destination, from),
    putTold(loss: ToldLoss): void {
      const row: LostRow = {
        destination: loss.destination, from_seq: loss.from, to_seq: loss.to, rev: loss.rev, value: loss.value, reason: loss.reason,
        count: loss.count, by_type: JSON.stringify(loss.byType), start: loss.start, end: loss.end, row: loss.row,
      };
      putLost.run(row.destination, row.from_seq, row.to_seq, row.rev, row.value, row.reason, row.count, row.by_type, row.start, row.end, row.row, lostSum(row));
    },
    /** Losses whose rows are all gone: nothing can be added to them or sent again. */
    forgetTold: (destination: number, before: number): void => void forgetLost.run(before, destination),
  };
}

const checkerOf = (db: Connection) => <T extends object>(row: Summed<T>, crc: number, table: string): T => {
  if (row.crc !== crc) throw faulty("corrupt", `a row of the table ${table} in ${db.name} does not match its checksum: ${JSON.stringify(row)}`);
  return row;
};
