/**
 * What others ask of a destination's rows: its bridge confirms and asks for rows again, a person looks at dead letters.
 * Every refusal is in words for whoever asked; whatever they name is checked, nothing of it is believed.
 */
import type { Answer, DeadLetter, StoredRecord } from "../../agent/contract/outbox.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { RecordType } from "../../agent/contract/record.ts";
import type { Books } from "../ledger/books.ts";
import type { Chain } from "./chain.ts";
import type { Dead } from "./chain-tables.ts";
import type { Deliveries } from "./deliveries.ts";
import { coveredBy, tellLoss, type Teller, type UntoldLoss } from "../loss/losses.ts";
import { REPLAYS_AT_ONCE } from "./replays.ts";
import { LOSSES } from "../room/value.ts";

const no = (reason: string): Answer => ({ ok: false, reason });
const otherEpoch = (epoch: string, own: string): Answer => no(`epoch ${epoch.slice(0, 40)} is not this buffer's: it is ${own}`);
const isRowNumber = (value: number): boolean => Number.isSafeInteger(value) && value > 0;

/** The bridge holds everything due through `through`. */
export function confirmRows({ ledger }: Books, chain: Chain, epoch: string, through: number): Answer {
  if (epoch !== ledger.epoch) return otherEpoch(epoch, ledger.epoch);
  if (!isRowNumber(through)) return no(`${through} is no row number`);
  if (through > chain.sentThrough) return { ok: false, reason: `row ${through} was never sent to ${chain.name}: the last that may have been is ${chain.sentThrough}`, neverSent: through };
  const before = chain.confirmedThrough ?? 0;
  if (through > Math.max(before, chain.lostTo, ledger.firstSeq - 1) && !chain.place(through)) return no(`row ${through} was never due to ${chain.name}`);
  if (through <= before) return { ok: true, rows: 0 };
  chain.confirmedThrough = through;
  return { ok: true, rows: chain.dueThrough(through) - chain.dueThrough(before) };
}

/** `from` to `to` are to be sent again, as far as they are kept and were sent. */
export function replayRows({ ledger }: Books, chain: Chain, epoch: string, { from, to }: { readonly from: number; readonly to: number }): Answer {
  if (epoch !== ledger.epoch) return otherEpoch(epoch, ledger.epoch);
  if (!isRowNumber(from) || !isRowNumber(to) || from > to) return no(`${from} to ${to} is no range of rows`);
  const first = Math.max(from, ledger.firstSeq);
  const last = Math.min(to, chain.settledTo);
  if (first > to) return no(`rows ${from} to ${to} are no longer kept: the oldest is ${ledger.firstSeq}`);
  if (first > last) return no(`rows ${first} to ${to} have not been sent yet: they come by themselves`);
  const rows = chain.dueThrough(last) - chain.dueThrough(first - 1);
  if (rows === 0) return no(`none of the rows ${first} to ${last} was due to ${chain.name}`);
  if (!chain.replays.add(first, last, false)) return no(`${REPLAYS_AT_ONCE} ranges wait already to be sent again to ${chain.name}: ask when they have been`);
  return { ok: true, rows };
}

/** Rows of it that are still to be sent again, given up or not. */
export const replayCount = (chain: Chain): number =>
  chain.owed.size + chain.replays.all.reduce((sum, { from, to }) => sum + chain.dueThrough(to) - chain.dueThrough(from - 1), 0);

/** Rows asked for again and loss records owed, oldest first. Numbers of a range that cannot be sent are taken out of it; `unreadable` says which were damaged. */
export function replayingRows(books: Books, chain: Chain, { after, limit }: { readonly after: number; readonly limit: number }, unreadable: (seq: number) => void): readonly StoredRecord[] {
  const records = [...askedRows(books, chain, { after, limit }, unreadable), ...owedRows(books, chain, { after, limit }, unreadable)];
  return records.sort((a, b) => a.seq - b.seq).slice(0, limit);
}
type Page = { readonly after: number; readonly limit: number };

function owedRows({ rows }: Books, chain: Chain, { after, limit }: Page, unreadable: (seq: number) => void): readonly StoredRecord[] {
  return chain.owed.offered(after).slice(0, limit).flatMap((seq) => {
    const [found] = rows.read(chain, seq - 1, seq, 1);
    if (found && !("damaged" in found[1])) return { ...found[1], prev: found[0].prev };
    if (found) unreadable(seq);
    else chain.owed.take(seq);
    return [];
  });
}
function askedRows({ rows, tables, standing }: Books, chain: Chain, { after, limit }: Page, unreadable: (seq: number) => void): readonly StoredRecord[] {
  const records: StoredRecord[] = [];
  for (const range of chain.replays.all) { // Each change of it makes a new list.
    if (range.to <= after) continue;
    if (records.length >= limit) break;
    let [position, read] = [Math.max(after, range.from - 1), 0];
    const wanted = limit - records.length;
    const found = [...rows.read(chain, position, range.to, wanted)];
    const isTold = range.released ? () => false : coveredBy(standing.toldOver(chain.id, position + 1, found.at(-1)?.[0].seq ?? position).filter(({ value }) => value !== LOSSES));
    for (const [due, row] of found) {
      read++;
      if (due.seq > position + 1) chain.replays.take(position + 1, due.seq - 1);
      position = due.seq;
      if ("damaged" in row) unreadable(due.seq);
      else if (chain.owed.has(due.seq)) chain.replays.take(due.seq); // It comes by itself.
      else if (!range.released && (tables.deadAround(chain.id, due.seq) || isTold(due.seq, row.type))) chain.replays.take(due.seq);
      else if (chain.isSettled(due.seq)) records.push({ ...row, prev: due.prev });
    }
    if (read < wanted && position < range.to) chain.replays.take(position + 1, range.to);
  }
  return records;
}

export function deadLetters({ tables }: Books, chains: readonly Chain[], limit: number): readonly DeadLetter[] {
  const names = new Map(chains.map(({ id, name }) => [id, name]));
  return tables.deadLetters(limit).map(({ destination, from, to, reason, at }) => ({ destination: names.get(destination) ?? "", fromSeq: from, toSeq: to, reason, at }));
}

/** A range of dead letters that will be sent again, and how its loss record changes. */
interface Released { readonly dead: Dead; readonly total: number; readonly count: number; readonly byType: Readonly<Partial<Record<RecordType, number>>>; readonly first: number; readonly firstPrev: number; readonly last: number }

/** Sends a range of dead letters again. All of it in one transaction. */
export function releaseDead(books: Books, chain: Chain, from: number, { teller, known, deliveries }: { readonly teller: Teller; readonly known: readonly Chain[]; readonly deliveries: Deliveries }): Answer {
  const dead = books.tables.deadFrom(chain.id, from);
  if (!dead) return no(`no dead letters of ${chain.name} begin at row ${from}`);
  if (dead.reason === "corrupt" || dead.reason === "retention") return no(`rows ${dead.from} to ${dead.to} cannot be read any more (${dead.reason}): they cannot be sent again`);
  const kept = readKept(books, chain, dead); // Without loss records that come by themselves.
  if (!kept) return no(`rows ${dead.from} to ${dead.to} are no longer kept`);
  const gone = goneOf(books, chain, kept);
  if (gone === null) return no(`a part of the rows ${dead.from} to ${dead.to} is no longer kept, and which one cannot be told apart in their loss record: they stay lost`);
  const restore = chain.mark();
  const { rejected } = chain;
  if (!chain.replays.add(kept.first, kept.last, true)) return no(`${REPLAYS_AT_ONCE} ranges wait already to be sent again to ${chain.name}: try when they have been`);
  chain.released += kept.count;
  chain.rejected -= kept.count;
  try {
    books.ledger.transaction(() => {
      deliveries.write(books, teller);
      books.tables.dropDead(chain.id, from);
      if (gone) tellLoss(teller, chain, gone);
      for (const one of known) if (one.isDirty) one.save();
    });
  } catch (cause) {
    restore();
    chain.rejected = rejected;
    for (const one of known) one.reload(books.ledger.lastSeq);
    throw cause;
  }
  deliveries.written();
  return { ok: true, rows: kept.count };
}

function readKept({ rows }: Books, chain: Chain, dead: Dead): Released | null {
  const byType: Partial<Record<RecordType, number>> = {};
  let [total, count, first, firstPrev, last] = [0, 0, 0, 0, 0];
  for (const [due, row] of rows.read(chain, dead.from - 1, dead.to, dead.to - dead.from + 1)) {
    if ("damaged" in row) continue;
    if (total++ === 0) [first, firstPrev] = [due.seq, due.prev];
    last = due.seq;
    if (chain.owed.has(due.seq)) continue;
    count++;
    byType[row.type] = (byType[row.type] ?? 0) + 1;
  }
  return count === 0 ? null : { dead, total, count, byType, first, firstPrev, last };
}

/**
 * How the loss record of a range changes that is sent again: void, or only what of it is gone for good. Undefined: nothing
 * told of it. Null: what is gone and what is kept lie among each other, and no record could name the one without the other.
 */
function goneOf({ standing }: Books, chain: Chain, { dead, total, count, byType, first, firstPrev }: Released): UntoldLoss | null | undefined {
  const told = standing.told(chain.id, dead.from);
  if (!told || told.count === 0) return undefined;
  const left: Partial<Record<RecordType, number>> = {};
  for (const [type, lost] of Object.entries(told.byType) as [RecordType, number][]) if (lost > (byType[type] ?? 0)) left[type] = lost - (byType[type] ?? 0);
  // Refused loss records are in the range, and not in its count.
  const [remaining, isBefore] = [Math.max(0, told.count - count + (byType.loss ?? 0)), chain.dueThrough(dead.to) - chain.dueThrough(firstPrev) === total];
  const isApart = remaining === 0 || isBefore || Object.keys(left).every((type) => byType[type as RecordType] === undefined);
  if (!isApart) return null;
  return { from: told.from, to: remaining > 0 && isBefore && first > dead.from ? firstPrev : told.to, value: told.value, reason: told.reason, count: remaining, byType: left, start: told.start, end: told.end };
}

/** Forgets dead letters; their loss record stands. */
export function purgeDead({ ledger, tables }: Books, chain: Chain, from: number): Answer {
  const dead = tables.deadFrom(chain.id, from);
  if (!dead) return no(`no dead letters of ${chain.name} begin at row ${from}`);
  ledger.transaction(() => tables.dropDead(chain.id, from));
  return { ok: true, rows: chain.dueThrough(dead.to) - chain.dueThrough(dead.from - 1) };
}

/** When the oldest waiting row was learned; null when none waits. */
export function oldestWaitingAt(books: Books, chain: Chain, through: number): UnixMs | null {
  if (chain.waiting === 0) return null;
  const [owed] = chain.owed.size === 0 ? [] : books.rows.read(chain, chain.owed.first - 1, chain.owed.first, 1);
  return owed && !("damaged" in owed[1]) ? owed[1].observedAt : oldestPendingAt(books, chain, through);
}
function oldestPendingAt({ rows }: Books, chain: Chain, through: number): UnixMs | null {
  for (let after = chain.through; ; ) {
    const before = after;
    for (const [{ seq }, row] of rows.read(chain, after, through, OLDEST_AT_ONCE)) {
      after = seq;
      if (!chain.isSettled(seq) && !("damaged" in row)) return row.observedAt;
    }
    if (after === before) return null;
  }
}
const OLDEST_AT_ONCE = 16;
