/** How the rows of one day stand at each destination, per machine: counted from the buffer in slices, beside everything else it does. */
import type { LedgerRow, Outbox } from "../contract/outbox.ts";
import type { Ports } from "../contract/ports.ts";
import type { RecordType } from "../contract/record.ts";
import { dateOf, localDay } from "../detect/calendar-day.ts";
import type { DayTally } from "./day-book.ts";

export interface StandingParts {
  readonly timezone: string;
  readonly outbox: Outbox;
  readonly ports: Ports;
  readonly destinations: readonly { readonly name: string; readonly types: readonly RecordType[] | null }[];
}
export interface DayRows {
  /** Local day number. */
  readonly day: number;
  /** Numbers among which the day's lie; inclusive. */
  readonly from: number;
  readonly to: number;
}
export interface DestinationStanding {
  readonly name: string;
  readonly due: number;
  readonly delivered: number;
  /** Null where the bridge does not confirm. */
  readonly confirmed: number | null;
  readonly waiting: number;
  readonly dropped: Readonly<Record<string, number>>;
}
/** The day of one machine at every destination that something was due to. */
export type Standings = (machine: string, tally: DayTally) => readonly DestinationStanding[];

const SLICE = 500;
/** Between slices others have their turn. */
const PAUSE_MS = 5;

type Counts = ReadonlyMap<string, number>;
type Row = Pick<LedgerRow, "seq" | "machine" | "type" | "observedAt">;

export async function standings(parts: StandingParts, rows: DayRows, signal: AbortSignal): Promise<Standings> {
  const { outbox, destinations } = parts;
  const drops = outbox.dropped(dateOf(rows.day));
  const kept = await counted(parts, rows, signal, (after) => outbox.history(after, SLICE));
  const found = new Map<string, { readonly waiting: Counts; readonly beyond: Counts | null }>();
  for (const { name, types } of destinations) {
    const { isConfirming = false, confirmedThrough = null } = outbox.status().destinations.find((one) => one.name === name) ?? {};
    const isDue = ({ type }: Row): boolean => types === null || types.includes(type);
    found.set(name, {
      waiting: await counted(parts, rows, signal, (after) => outbox.pending(name, after, SLICE)),
      beyond: isConfirming ? await counted(parts, { ...rows, from: Math.max(rows.from, (confirmedThrough ?? 0) + 1) }, signal, (after) => outbox.history(after, SLICE), isDue) : null,
    });
  }
  const unsaved = lostWithFile(outbox);
  return (machine, tally) => destinations.flatMap(({ name }) => {
    const due = tally.due[name];
    const one = found.get(name);
    if (due === undefined || one === undefined) return [];
    const waiting = Math.min(due, one.waiting.get(machine) ?? 0);
    const dropped: Record<string, number> = {};
    for (const { cause, count, ...drop } of drops) if (drop.destination === name && drop.machine === machine) dropped[cause] = count;
    const gone = unsaved(tally, name, kept.get(machine) ?? 0);
    if (gone > 0) dropped["buffer_corrupt"] = (dropped["buffer_corrupt"] ?? 0) + gone;
    const delivered = due - waiting - Object.values(dropped).reduce((sum, count) => sum + count, 0);
    const confirmed = one.beyond === null ? null : Math.max(0, delivered - Math.max(0, (one.beyond.get(machine) ?? 0) - waiting));
    return [{ name, due, delivered, confirmed, waiting, dropped }];
  });
}

/** Rows of the day by machine, receipts left out. */
async function counted({ ports, timezone }: StandingParts, { day, from, to }: DayRows, signal: AbortSignal, read: (after: number) => readonly Row[], isDue: (row: Row) => boolean = () => true): Promise<Counts> {
  const counts = new Map<string, number>();
  for (let after = from - 1; after < to;) {
    const slice = read(after);
    for (const row of slice) {
      after = row.seq;
      if (row.seq <= to && row.machine !== null && row.type !== "receipt" && isDue(row) && localDay(timezone, row.observedAt) === day) counts.set(row.machine, (counts.get(row.machine) ?? 0) + 1);
    }
    if (slice.length < SLICE) break;
    await ports.network.sleep(PAUSE_MS, signal);
  }
  return counts;
}

/**
 * Rows that were due from a file that is no more: neither delivered everywhere before (the loss record says from which
 * number on), nor saved into the new one. At most so many: which machine's they were nobody can tell any more.
 */
function lostWithFile(outbox: Outbox): (tally: DayTally, destination: string, kept: number) => number {
  const losses = outbox.history(0, SLICE).flatMap(({ type, body }) => (type === "loss" ? [JSON.parse(body) as { readonly reason: string; readonly lostEpoch: string; readonly fromSeq: number | null }] : []));
  return ({ before, made, ranges }, destination, kept) => {
    const old = ranges.findLast(({ epoch }) => epoch !== outbox.epoch);
    if (before === null || old === undefined) return 0;
    const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((total, count) => total + count, 0);
    const saved = Math.max(0, kept - (sum(made) - sum(before.made)));
    const from = losses.find(({ reason, lostEpoch }) => reason === "buffer_corrupt" && lostEpoch === old.epoch)?.fromSeq ?? old.from;
    const open = Math.max(0, (old.to ?? old.from) - Math.max(from, old.from) + 1);
    return Math.max(0, Math.min(before.due[destination] ?? 0, open) - saved);
  };
}
