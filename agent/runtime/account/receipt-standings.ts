/** How the rows of one day stand at each destination, per machine: counted from the buffer in slices, beside everything else it does. */
import type { LedgerRow, Outbox } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import type { RecordType } from "../../contract/record.ts";
import { dateOf, localDay } from "../../detect/calendar-day.ts";
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
/** Numbers of an older file that were not saved into this one; `from` and `to` null: not known. */
interface Unsaved {
  readonly epoch: string;
  readonly from: number | null;
  readonly to: number | null;
}
interface Reading<R extends Row> {
  readonly parts: StandingParts;
  readonly rows: DayRows;
  readonly signal: AbortSignal;
  readonly read: (after: number) => readonly R[];
}

/** `isOverFiles`: some of the day was committed to a buffer file that is no more. */
export async function standings(parts: StandingParts, rows: DayRows & { readonly isOverFiles: boolean }, signal: AbortSignal): Promise<Standings> {
  const { outbox, destinations } = parts;
  const history = (after: number): readonly LedgerRow[] => outbox.history(after, SLICE);
  const drops = outbox.dropped(dateOf(rows.day));
  const unsaved: Unsaved[] = [];
  if (rows.isOverFiles) await eachRow({ parts, rows, signal, read: history }, ({ type, body }) => {
    if (type === "loss") unsaved.push(...unsavedIn(body));
  });
  const found = new Map<string, { readonly waiting: Counts; readonly beyond: Counts | null }>();
  for (const { name, types } of destinations) {
    const { isConfirming = false, confirmedThrough = null } = outbox.status().destinations.find((one) => one.name === name) ?? {};
    found.set(name, {
      waiting: await counted({ parts, rows, signal, read: (after) => outbox.pending(name, after, SLICE) }, null),
      beyond: isConfirming ? await counted({ parts, rows: { ...rows, from: Math.max(rows.from, (confirmedThrough ?? 0) + 1) }, signal, read: history }, types) : null,
    });
  }
  return (machine, tally) => destinations.flatMap(({ name }) => {
    const due = tally.due[name];
    const one = found.get(name);
    if (due === undefined || one === undefined) return [];
    const waiting = Math.min(due, one.waiting.get(machine) ?? 0);
    const dropped: Record<string, number> = {};
    let left = due - waiting;
    const drop = (cause: string, count: number): void => {
      const taken = Math.min(left, count);
      if (taken > 0) dropped[cause] = (dropped[cause] ?? 0) + taken;
      left -= Math.max(0, taken);
    };
    // What cannot be told apart may be any machine's: it counts as dropped for each, since nobody can say that it arrived.
    for (const { cause, count, ...own } of drops) if (own.destination === name && (own.machine === machine || own.machine === null)) drop(cause, count);
    drop("buffer_corrupt", Math.min(tally.before?.due[name] ?? 0, lostWithFile(tally, unsaved, outbox.epoch)));
    const confirmed = one.beyond === null ? null : Math.max(0, left - Math.max(0, (one.beyond.get(machine) ?? 0) - waiting));
    return [{ name, due, delivered: left, confirmed, waiting, dropped }];
  });
}

async function eachRow<R extends Row>({ parts, rows: { from, to }, signal, read }: Reading<R>, take: (row: R) => void): Promise<void> {
  for (let after = from - 1; after < to;) {
    const slice = read(after);
    for (const row of slice) {
      after = row.seq;
      if (row.seq <= to) take(row);
    }
    if (slice.length < SLICE) break;
    await parts.ports.network.sleep(PAUSE_MS, signal);
  }
}

/** Rows of the day by machine, receipts left out. `types`: only these; null: all. */
async function counted(reading: Reading<Row>, types: readonly RecordType[] | null): Promise<Counts> {
  const counts = new Map<string, number>();
  await eachRow(reading, ({ machine, type, observedAt }) => {
    if (machine !== null && type !== "receipt" && (types === null || types.includes(type)) && localDay(reading.parts.timezone, observedAt) === reading.rows.day) counts.set(machine, (counts.get(machine) ?? 0) + 1);
  });
  return counts;
}

function unsavedIn(body: string): readonly Unsaved[] {
  const { reason, lostEpoch, fromSeq, toSeq, count } = JSON.parse(body) as { readonly reason: string; readonly lostEpoch: string; readonly fromSeq: number | null; readonly toSeq: number | null; readonly count: number | null };
  // Those that count none tell of rows that come under new numbers; those with an end that cannot count, of rows that were delivered but for refused ones.
  return reason === "buffer_corrupt" && count !== 0 && !(count === null && toSeq !== null) ? [{ epoch: lostEpoch, from: fromSeq, to: toSeq }] : [];
}

/** Rows of the day that went with an older file, at most: which machine's they were nobody can tell any more. */
function lostWithFile({ ranges }: DayTally, unsaved: readonly Unsaved[], epoch: string): number {
  return ranges.filter((range) => range.epoch !== epoch).reduce((sum, { epoch: old, from, to }) => {
    return sum + unsaved.filter((one) => one.epoch === old).reduce((rows, one) => rows + Math.max(0, Math.min(one.to ?? to, to) - Math.max(one.from ?? from, from) + 1), 0);
  }, 0);
}
