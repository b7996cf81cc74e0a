/**
 * Long stretches of the ledger of which a destination wants nothing, for what lies there was given up for it alone: the
 * rows are still there for others, and to look at each of a million, or read them from a card, would hold everything up.
 * Noted as rows are given up, so nobody ever searches for them; gone when the cursor has passed.
 */
import { crcOf } from "../ledger/checksum.ts";
import type { Connection } from "../ledger/connection.ts";

/** Numbers; a shorter stretch is read through. */
const LEAST = 100;

interface Gap {
  readonly from: number;
  readonly to: number;
}
type Summed = Gap & { readonly crc: number };
const sumOf = (destination: number, { from, to }: Gap): number => crcOf(`${destination}|${from}|${to}`);

export type Gaps = ReturnType<typeof openGaps>;

export function openGaps(db: Connection) {
  const around = db.prepare<[number, number], Summed>("SELECT from_seq AS \"from\", to_seq AS \"to\", crc FROM gap WHERE destination = ? AND from_seq <= ? ORDER BY from_seq DESC LIMIT 1");
  const following = db.prepare<[number, number], Summed>("SELECT from_seq AS \"from\", to_seq AS \"to\", crc FROM gap WHERE destination = ? AND from_seq > ? ORDER BY from_seq LIMIT 1");
  const drop = db.prepare<[number, number, number]>("DELETE FROM gap WHERE destination = ? AND from_seq >= ? AND to_seq <= ?");
  const put = db.prepare<[number, number, number, number]>("INSERT OR REPLACE INTO gap (destination, from_seq, to_seq, crc) VALUES (?, ?, ?, ?)");
  /** One that does not match its checksum is no gap: what is there is read. */
  const believed = (destination: number, gap: Summed | undefined): Gap | undefined => (gap && gap.crc === sumOf(destination, gap) ? gap : undefined);
  const at = (destination: number, seq: number): Gap | undefined => {
    const gap = believed(destination, around.get(destination, seq));
    return gap && gap.to >= seq ? gap : undefined;
  };
  const any = db.prepare<[number], number>("SELECT 1 FROM gap WHERE destination = ? LIMIT 1").pluck();
  return {
    has: (destination: number): boolean => any.get(destination) !== undefined,
    /** Parts of `after` to `to` outside the gaps, in order. */
    *outside(destination: number, after: number, to: number): Generator<{ readonly after: number; readonly to: number }> {
      for (let position = at(destination, after + 1)?.to ?? after; position < to; ) {
        const next = believed(destination, following.get(destination, position + 1));
        yield { after: position, to: Math.min(to, (next?.from ?? Infinity) - 1) };
        position = next?.to ?? Infinity;
      }
    },
    /** Nothing of `from` to `to` is wanted. What adjoins becomes one. Inside the transaction in which that became so. */
    note(destination: number, from: number, to: number): void {
      const [before, behind] = [at(destination, from - 1), at(destination, to + 1)];
      const gap = { from: before?.from ?? from, to: behind?.to ?? Math.max(to, before?.to ?? 0) };
      if (gap.to - gap.from < LEAST) return;
      drop.run(destination, gap.from, gap.to);
      put.run(destination, gap.from, gap.to, sumOf(destination, gap));
    },
    forget: (destination: number, through: number): void => void drop.run(destination, 0, through),
  };
}
