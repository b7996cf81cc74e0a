/**
 * What one machine did on each local day, for its receipts: readings taken, records made, due to whom, gaps. Counted in
 * memory and stored with the machine's own commits, so that a kill takes no more and no less than it takes of the
 * records: today's counts travel in the machine's checkpoint, closed days and gaps under a key of their own that changes
 * once a day and with a gap. Days are those of the agent's clock in the site's zone; receipts are not counted themselves.
 * Bounds: OPEN_DAYS days wait for their last receipt, GAPS gaps are told apart; of more, close neighbours are joined.
 */
import type { Batch } from "../../contract/observation.ts";
import type { Checkpoint } from "../../contract/outbox.ts";
import type { NewRecord, RecordType } from "../../contract/record.ts";
import { decode, type Of } from "../../contract/shape.ts";
import { integer, list, mapOf, nullable, object, text } from "../../contract/shapes.ts";
import { unixMs, type UnixMs } from "../../contract/time.ts";
import { dateOf, localDay } from "../../detect/calendar-day.ts";

const count = integer({ minimum: 0 });
const counts = mapOf(count);
/** Rows of one buffer file among which the day's lie, inclusive; empty while `to` is below `from`. */
const RANGE = object({ epoch: text(), from: integer({ minimum: 1 }), to: count });
const DAY = object({
  /** Local day number since 1970-01-01. */
  day: integer(),
  read: count, late: count,
  made: counts, due: counts,
  ranges: list(RANGE, { maxItems: 100 }),
  /** What of it was counted before the buffer file that is in use now; null: all is in this one. */
  before: nullable(object({ made: counts, due: counts })),
});
const CLOSED = object({
  tally: DAY,
  /** Of the receipt last published; 0: none yet. */
  rev: count,
  /** Its body: a receipt that would say the same is not published again. */
  said: nullable(text({ maxLength: 100_000 })),
});
const GAP = object({ id: text(), from: integer(), to: nullable(integer()) });
const BOOK = object({ days: list(CLOSED, { maxItems: 64 }), gaps: list(GAP, { maxItems: 1_000 }) });

export type DayTally = Of<typeof DAY>;
export type ClosedDay = Of<typeof CLOSED>;
type Gap = Of<typeof GAP>;

const OPEN_DAYS = 10;
const GAPS = 200;
const RANGES = 100;

export interface DayBookParts {
  readonly machine: string;
  readonly timezone: string;
  readonly destinations: readonly { readonly name: string; readonly types: readonly RecordType[] | null }[];
}
/** What a commit of the machine takes along. */
export interface Counted {
  /** For its checkpoint. */
  readonly tally: DayTally;
  readonly also: readonly Checkpoint[];
}
/** Which buffer file is in use, and a number that all stored rows of the machine lie at or below, and all to come above. */
export interface Place {
  readonly epoch: string;
  readonly lastSeq: number;
}
export interface Counting extends Place {
  readonly at: UnixMs;
  readonly records: readonly NewRecord[];
  /** Readings that came too late to be applied, since the machine's state began. */
  readonly late: number;
}
export interface Issued {
  readonly rev: number;
  readonly said: string;
  /** The day is done with. */
  readonly isLast: boolean;
}

/** The site's day that an instant lies in, YYYY-MM-DD. */
export const dayIn = (timezone: string) => (at: UnixMs): string => dateOf(localDay(timezone, at));

export class DayBook {
  readonly #parts: DayBookParts;
  readonly key: string;
  #today: DayTally | null = null;
  #days: readonly ClosedDay[] = [];
  /** By id, the last told last. */
  #gaps = new Map<string, Gap>();
  #read = 0;
  /** Of the machine's own count, what was before today. */
  #lateBefore: number | null = null;
  #isChanged = false;
  /** Days whose first number is only a lower bound until their first records are stored. */
  readonly #begun = new Set<number>();

  constructor(parts: DayBookParts) {
    this.#parts = parts;
    this.key = `receipts/${parts.machine}`;
  }

  get closed(): readonly ClosedDay[] { return this.#days; }
  /** True when a commit now would end a day. */
  isOver(at: UnixMs): boolean {
    return this.#today !== null && this.#today.day < localDay(this.#parts.timezone, at);
  }

  /** As stored; what cannot be read is as good as none. `late` is the machine's own count as stored with it. */
  load(stored: { readonly tally: unknown; readonly book: string | null; readonly late: number }, place: Place): void {
    const today = decode(DAY, stored.tally);
    this.#today = today.ok ? reaching(inFile(today.value, place), place.lastSeq) : null;
    this.#begun.clear();
    this.#lateBefore = today.ok ? stored.late - today.value.late : null;
    this.#read = 0;
    this.reload(stored.book, place);
  }
  /** Closed days and gaps alone. */
  reload(book: string | null, place: Place): void {
    const stored = book === null ? null : decode(BOOK, parsed(book));
    this.#days = stored?.ok === true ? stored.value.days.map((day) => ({ ...day, tally: inFile(day.tally, place) })) : [];
    this.#gaps = new Map(stored?.ok === true ? stored.value.gaps.map((gap) => [gap.id, gap]) : []);
    this.#isChanged = false;
  }

  read(items: Batch["items"]): void {
    for (const { kind } of items) if (kind === "reading") this.#read++;
  }

  count({ at, records, late, epoch, lastSeq }: Counting): Counted {
    const day = localDay(this.#parts.timezone, at);
    // A clock that was set back goes on with the later day: what is counted stays counted once. Days it had run ahead by are called tomorrow.
    if (this.#today !== null && this.#today.day > day + 1 && !this.#days.some(({ tally }) => tally.day === day + 1)) this.#today = { ...this.#today, day: day + 1 };
    if (this.#today !== null && this.#today.day < day) this.#close(this.#today);
    if (this.#lateBefore === null || late < this.#lateBefore) this.#lateBefore = late;
    const before = this.#today ?? { day, read: 0, late: 0, made: {}, due: {}, ranges: [{ epoch, from: lastSeq + 1, to: lastSeq }], before: null };
    if (this.#today === null) this.#begun.add(day);
    const told = records.filter(({ type }) => type !== "receipt");
    this.#today = {
      ...before, read: before.read + this.#read, late: Math.max(before.late, late - this.#lateBefore),
      ...(told.length > 0 && this.#counts(before, told)),
    };
    this.#read = 0;
    for (const record of told) if (record.type === "connection" && record.body.kind === "gap") this.#take(record);
    return { tally: this.#today, also: this.#isChanged ? [this.#stored()] : [] };
  }
  /** The commit that was counted for `day`, of so many records, is stored through `seq`. */
  stored(day: number, seq: number, records: number): void {
    const isFirst = this.#begun.delete(day);
    const at = (tally: DayTally): DayTally => (tally.day === day ? reaching(isFirst ? startingAt(tally, seq - records + 1) : tally, seq) : tally);
    if (this.#today !== null) this.#today = at(this.#today);
    if (this.#days.some(({ tally }) => tally.day === day)) this.#days = this.#days.map((one) => (one.tally.day === day ? { ...one, tally: at(one.tally) } : one));
  }
  /** A receipt is published: the checkpoint to store with it. */
  issued(day: number, { rev, said, isLast }: Issued): Checkpoint {
    this.#days = this.#days.flatMap((one) => (one.tally.day !== day ? [one] : isLast ? [] : [{ tally: one.tally, rev, said }]));
    const oldest = this.#days[0]?.tally.day ?? this.#today?.day ?? day;
    for (const { id, to } of this.#gaps.values()) if (to !== null && localDay(this.#parts.timezone, unixMs(to)) < oldest) this.#gaps.delete(id);
    return this.#stored();
  }

  /** Gaps that touch [start, end), clipped to it. */
  gapsIn(start: UnixMs, end: UnixMs): { readonly count: number; readonly ms: number } {
    const touching = [...this.#gaps.values()].filter(({ from, to }) => from < end && (to ?? end) > start);
    return { count: touching.length, ms: touching.reduce((sum, { from, to }) => sum + Math.min(to ?? end, end) - Math.max(from, start), 0) };
  }

  /** One that began before `end` goes on, or may still be taken back. */
  isGapOpen(end: UnixMs): boolean {
    return [...this.#gaps.values()].some(({ from, to }) => to === null && from < end);
  }

  #stored(): Checkpoint {
    this.#isChanged = false;
    return { key: this.key, json: JSON.stringify({ days: this.#days, gaps: [...this.#gaps.values()] }) };
  }
  #counts({ made, due }: Pick<DayTally, "made" | "due">, records: readonly NewRecord[]): Pick<DayTally, "made" | "due"> {
    const next = { made: { ...made }, due: { ...due } };
    for (const { type } of records) {
      next.made[type] = (next.made[type] ?? 0) + 1;
      for (const { name, types } of this.#parts.destinations)
        if (types === null || types.includes(type)) next.due[name] = (next.due[name] ?? 0) + 1;
    }
    return next;
  }
  #close(today: DayTally): void {
    this.#days = [...this.#days, { tally: today, rev: 0, said: null }].slice(-OPEN_DAYS);
    this.#lateBefore = (this.#lateBefore ?? 0) + today.late;
    this.#today = null;
    this.#isChanged = true;
  }
  #take({ id, body }: NewRecord<"connection">): void {
    this.#gaps.delete(id);
    if (body.status !== "void") this.#gaps.set(id, { id, from: Date.parse(body.start), to: body.end === null ? null : Date.parse(body.end) });
    if (this.#gaps.size > GAPS) joinClosest(this.#gaps);
    this.#isChanged = true;
  }
}

/** In another buffer file than it was counted in, the day goes on with a range of its own: what was saved lies there from the first row on. */
function inFile(tally: DayTally, { epoch, lastSeq }: Place): DayTally {
  if (tally.ranges.at(-1)?.epoch === epoch) return tally;
  return { ...tally, ranges: [...tally.ranges, { epoch, from: 1, to: lastSeq }].slice(-RANGES), before: { made: tally.made, due: tally.due } };
}
const last = (tally: DayTally, change: (range: Of<typeof RANGE>) => Of<typeof RANGE>): DayTally =>
  ({ ...tally, ranges: tally.ranges.map((range, index) => (index === tally.ranges.length - 1 ? change(range) : range)) });
const reaching = (tally: DayTally, seq: number): DayTally => last(tally, (range) => ({ ...range, to: Math.max(range.to, seq) }));
const startingAt = (tally: DayTally, seq: number): DayTally => last(tally, (range) => ({ ...range, from: Math.max(range.from, seq) }));

/** Of too many the two neighbours closest together become one: its length then holds the little between them. */
function joinClosest(gaps: Map<string, Gap>): void {
  const sorted = [...gaps.values()].sort((a, b) => a.from - b.from);
  let [at, least] = [1, Infinity];
  for (let index = 1; index < sorted.length; index++) {
    const between = (sorted[index]?.from ?? Infinity) - (sorted[index - 1]?.to ?? Infinity);
    if (between < least) [at, least] = [index, between];
  }
  const [one, other] = [sorted[at - 1], sorted[at]];
  if (!one || !other) return;
  gaps.delete(one.id);
  gaps.set(other.id, { id: other.id, from: one.from, to: other.to });
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null; // As good as none: the text is ours and checked by the buffer's checksum.
  }
}
