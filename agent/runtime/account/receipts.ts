/**
 * A receipt per machine and day (design.md §4, type `receipt`): what was read and made, and what became of it at each
 * destination, so that it adds up: due = delivered + waiting + what was dropped, per cause. The first is made shortly
 * after local midnight by the agent's clock; one more when everything of the day has arrived (where a bridge confirms:
 * is confirmed) and no gap of the day can change any more (its source may be away and still serve it), at the latest
 * after LATEST_MS. Receipts themselves are not counted, and say of themselves that they are
 * late: the day they tell of was complete before.
 * Counts are kept by the machine's day book, drops by the buffer; what waits is counted from the buffer's own rows, in
 * slices, once or twice a day. Where a buffer file was lost, what was due from it and not saved counts as dropped.
 */
import type { Outbox } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Body, NewRecord, RecordType } from "../../contract/record.ts";
import { rfc3339, type UnixMs } from "../../contract/time.ts";
import { dateOf, wallInstant } from "../../detect/calendar-day.ts";
import { recordId } from "../../detect/record-id.ts";
import { utcOffsetMin } from "../../detect/zone.ts";
import type { ClosedDay, DayBook } from "./day-book.ts";
import { standings, type Standings } from "./receipt-standings.ts";

export interface ReceiptMachine {
  readonly id: string;
  /** JSON of its RecordContext. */
  readonly context: string;
  readonly book: DayBook;
  /** Event time through which all of it is told; null: nothing yet. */
  readonly completeThrough: () => UnixMs | null;
  /** Ends the day before, though the machine says nothing: stores its counts. */
  endDay(): void;
}
export interface ReceiptParts {
  readonly agent: string;
  readonly timezone: string;
  readonly outbox: Outbox;
  readonly ports: Ports;
  readonly machines: readonly ReceiptMachine[];
  readonly destinations: readonly { readonly name: string; readonly types: readonly RecordType[] | null }[];
}

const LOOK_MS = 60_000;
/** After midnight: what the day's last batch brought is stored by then. */
const DELAY_MS = 300_000;
const LATEST_MS = 7 * 86_400_000;

/** Resolves when the signal aborts. */
export async function receipts(parts: ReceiptParts, signal: AbortSignal): Promise<void> {
  const { clock, log } = parts.ports;
  while (!signal.aborted) {
    try {
      await writeReceipts(parts, signal);
    } catch (cause) {
      if (!signal.aborted) log.error({ reason: cause instanceof Error ? cause.message : String(cause) }, "the receipts of a day could not be written; they are tried again");
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

/** What is due by now. */
export async function writeReceipts(parts: ReceiptParts, signal: AbortSignal): Promise<void> {
  const { outbox, ports, timezone, machines } = parts;
  const now = ports.clock.now().unixMs;
  for (const machine of machines) if (machine.book.isOver(now)) machine.endDay();
  const days = new Set(machines.flatMap(({ book }) => book.closed.map(({ tally }) => tally.day)));
  for (const day of [...days].sort((a, b) => a - b)) {
    const span = spanOf(timezone, day);
    if (now < span.end + DELAY_MS) continue;
    const of = machines.flatMap((machine) => machine.book.closed.filter(({ tally }) => tally.day === day).map((closed) => ({ machine, closed })));
    const range = rangeOf(outbox, of.map(({ closed }) => closed));
    const isLate = now >= span.end + LATEST_MS;
    const isArrived = isLate || isSettled(outbox, range.to);
    const due = of.map(({ machine, closed }) => ({ machine, closed, isLast: isLate || (isArrived && isSeen(machine, span)) })).filter(({ closed, isLast }) => closed.rev === 0 || isLast);
    if (due.length === 0) continue;
    const found = await standings(parts, { day, ...range, isOverFiles: of.some(({ closed }) => closed.tally.before !== null) }, signal);
    for (const { machine, closed, isLast } of due) await issue(parts, { machine, closed, span, found, isLast });
  }
}

interface Range {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}
interface Span {
  readonly start: UnixMs;
  readonly end: UnixMs;
}
const spanOf = (timezone: string, day: number): Span => ({ start: wallInstant(timezone, day, 0), end: wallInstant(timezone, day + 1, 0) });

/** Numbers of the day in the file that is in use, of all machines. */
function rangeOf(outbox: Outbox, days: readonly ClosedDay[]): Range {
  const ranges = days.flatMap(({ tally }) => tally.ranges.filter(({ epoch }) => epoch === outbox.epoch));
  return { from: Math.min(...ranges.map(({ from }) => from)), to: Math.max(0, ...ranges.map(({ to }) => to)) };
}

/** What was not seen of the day is known, and stays so: no gap of it is open, nor can one still be declared. */
function isSeen({ book, completeThrough }: ReceiptMachine, { end }: Span): boolean {
  const through = completeThrough();
  return through !== null && through >= end && !book.isGapOpen(end);
}

/** Everything through `to` has arrived wherever it was due. */
function isSettled(outbox: Outbox, to: number): boolean {
  return outbox.status().destinations.every(({ name, isConfirming, confirmedThrough }) => {
    const [waiting] = outbox.pending(name, 0, 1);
    const [again] = outbox.replaying(name, 0, 1);
    return (waiting === undefined || waiting.seq > to) && (again === undefined || again.seq > to) && (!isConfirming || (confirmedThrough ?? 0) >= to);
  });
}

interface Issue {
  readonly machine: ReceiptMachine;
  readonly closed: ClosedDay;
  readonly span: Span;
  readonly found: Standings;
  readonly isLast: boolean;
}

async function issue(parts: ReceiptParts, { machine, closed, span, found, isLast }: Issue): Promise<void> {
  const { outbox, ports } = parts;
  const body = bodyOf(parts, { machine, closed, span, found });
  const said = JSON.stringify(body);
  const isNews = said !== closed.said;
  const rev = isNews ? closed.rev + 1 : closed.rev;
  const checkpoint = machine.book.issued(closed.tally.day, { rev, said, isLast });
  const record: NewRecord<"receipt"> = {
    type: "receipt", id: recordId({ agent: parts.agent, machine: machine.id }, "receipt", [body.date]), rev, start: span.start, body,
  };
  try {
    await outbox.commit({ machine: machine.id, context: machine.context, records: isNews ? [record] : [], checkpoint, observedAt: ports.clock.now().unixMs, late: true });
  } catch (cause) {
    machine.book.reload(outbox.checkpoint(checkpoint.key), { epoch: outbox.epoch, lastSeq: outbox.status().lastSeq });
    throw cause;
  }
}

function bodyOf({ timezone }: ReceiptParts, { machine, closed, span, found }: Omit<Issue, "isLast">): Body<"receipt"> {
  const { tally } = closed;
  return {
    status: "closed", start: rfc3339(span.start), end: rfc3339(span.end), durationMs: span.end - span.start, utcOffsetMin: utcOffsetMin(timezone, span.start),
    timing: { kind: "inferred", uncertaintyMs: 0 },
    date: dateOf(tally.day),
    samples: { read: tally.read, late: tally.late },
    made: tally.made,
    ranges: tally.ranges.flatMap(({ epoch, from, to }) => (to < from ? [] : [{ epoch, fromSeq: from, toSeq: to }])),
    destinations: found(machine.id, tally),
    gaps: machine.book.gapsIn(span.start, span.end),
  };
}
