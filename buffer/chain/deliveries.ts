/**
 * Handing rows to destinations and taking back what became of them, in memory: the next write puts it on the disk.
 * A row that cannot be read is never handed out: it is noted as dead, counted, named by a loss record, and skipped.
 * A loss record that is refused is owed (buffer/chain/owed.ts).
 */
import type { Outcome, StoredRecord } from "../../agent/contract/outbox.ts";
import type { Log } from "../../agent/contract/ports.ts";
import type { Books } from "../ledger/books.ts";
import type { Chain } from "./chain.ts";
import type { Due } from "./chain-tables.ts";
import type { Teller } from "../loss/losses.ts";
import { MOST_OWED } from "./owed.ts";
import { MOST_DEAD, noteRefused, refusedRanges, type Refusal } from "./refusals.ts";
import { replayingRows } from "./requests.ts";

/** Unreadable rows handled in one call of `pending`. */
const DAMAGED_LIMIT = 1_000;
const WORDS_LIMIT = 500;

export interface Reports {
  /** A row was found that cannot be read. */
  readonly damaged: (seq: number, chain: Chain) => void;
  readonly log: Log;
}

export class Deliveries {
  /** Not yet on the disk. */
  refusals: Refusal[] = [];
  /** Refused once, sent again by hand and taken; not yet on the disk. */
  regained: Pick<Refusal, "chain" | "seq">[] = [];
  readonly #reports: Reports;
  readonly #purged = new Set<Chain>();
  readonly #unowed = new Set<Chain>();

  constructor(reports: Reports) {
    this.#reports = reports;
  }

  refusedOf(chain: Chain): ReadonlySet<number> {
    return new Set(this.refusals.filter((refusal) => refusal.chain === chain).map(({ seq }) => seq));
  }
  /** What was noted is on the disk. */
  written(): void {
    this.refusals = [];
    this.regained = [];
  }

  /** First transmissions after `after`, up to `through`. */
  pending(books: Books, chain: Chain, { after, through, limit }: { readonly after: number; readonly through: number; readonly limit: number }): readonly StoredRecord[] {
    chain.advance(books.rows);
    const records: StoredRecord[] = [];
    let [position, damaged] = [Math.max(after, chain.through), 0];
    while (records.length < limit && damaged < DAMAGED_LIMIT) {
      const before = position;
      for (const [due, row] of books.rows.read(chain, position, through, limit - records.length)) {
        position = due.seq;
        if (chain.isSettled(due.seq)) continue;
        if (!("damaged" in row)) records.push({ ...row, prev: due.prev });
        else if (damaged++ < DAMAGED_LIMIT) this.#giveUp(books, chain, due);
      }
      if (position === before) break;
    }
    chain.sentThrough = Math.max(chain.sentThrough, records.at(-1)?.seq ?? 0);
    return records;
  }

  /** Rows asked for again. One that can no longer be read is given up like any other, once. */
  replaying(books: Books, chain: Chain, after: number, limit: number): readonly StoredRecord[] {
    return replayingRows(books, chain, { after, limit }, (seq) => {
      const isReleased = chain.replays.of(seq)?.released === true;
      const due = chain.place(seq);
      chain.replays.take(seq);
      if (isReleased) chain.released--;
      chain.owed.take(seq);
      if (due && chain.isSettled(seq) && !books.tables.deadAround(chain.id, seq)) this.#unreadable(chain, due);
    });
  }

  settle(books: Books, chain: Chain, outcome: Outcome): void {
    for (const seq of outcome.accepted) {
      chain.sent.reach(seq);
      const isReleased = chain.replays.of(seq)?.released === true;
      if (chain.settle(seq, books.rows)) continue;
      if (this.#sentAgain(chain, seq) && isReleased && books.ledger.typeOf(seq) !== "loss") this.regained.push({ chain, seq });
      chain.owed.take(seq);
    }
    for (const { seq, reason } of outcome.rejected) {
      chain.sent.reach(seq);
      const due = chain.place(seq);
      const isAgain = chain.replays.of(seq)?.released === true;
      if (!due || !(chain.settle(seq, books.rows) || this.#sentAgain(chain, seq) || chain.owed.has(seq))) continue;
      const [row] = books.ledger.read(seq - 1, seq, 1);
      const type = row && !("damaged" in row) && row.seq === seq ? row.type : null;
      if (type === "loss" && this.#owe(chain, seq)) continue;
      this.#refuse(chain, due, { type, reason: reason.slice(0, WORDS_LIMIT), lossReason: /too large|oversize/i.test(reason) ? "oversize" : "refused", isAgain });
    }
  }

  /** Puts refusals on the disk: dead letters, the loss records that name them, and their counts for receipts. Inside every transaction that saves cursors: a kill after it would find the refused rows passed, and named by nobody. */
  write(books: Books, teller: Teller): void {
    const { drops } = books;
    const { now } = teller;
    for (const { chain, seq, type, lossReason, isAgain } of this.refusals) if (!isAgain && type !== "loss") drops.note(chain.id, { cause: lossReason, seqs: [seq], now });
    for (const { chain, seq } of this.regained) drops.note(chain.id, { cause: "refused", seqs: [seq], now, by: -1 });
    for (const range of refusedRanges(this.refusals, now)) if (noteRefused(books, teller, range) > 0) this.#notePurge(range.chain);
  }

  /** Once: it may go on for as long as the broker refuses. */
  #notePurge(chain: Chain): void {
    if (this.#purged.has(chain)) return;
    this.#purged.add(chain);
    this.#reports.log.warn({ destination: chain.name, kept: MOST_DEAD }, "more ranges of records were refused than are kept to be sent again: the oldest are forgotten, now and from now on; the loss records that name them stand");
  }
  /** False when too many are owed already: then it is dead like any other row, and what it names is told by nobody. */
  #owe(chain: Chain, seq: number): boolean {
    const isOwed = chain.owed.add(seq);
    if (!isOwed && !this.#unowed.has(chain)) {
      this.#unowed.add(chain);
      this.#reports.log.error({ destination: chain.name, seq, kept: MOST_OWED }, "so many loss records were refused that this one and later ones are not sent again by themselves: the destination will not know of all that it did not get; cellgate buffer dead lists them, and sends them again once it takes them");
    }
    return isOwed;
  }
  /** False when the row was not asked for again: what comes twice changes nothing. */
  #sentAgain(chain: Chain, seq: number): boolean {
    const range = chain.replays.of(seq);
    if (!range || !chain.isSettled(seq)) return false;
    chain.replays.take(seq);
    if (range.released) chain.released--;
    return true;
  }
  #giveUp(books: Books, chain: Chain, due: Due): void {
    chain.settle(due.seq, books.rows);
    if (due.seq < books.ledger.firstSeq) this.#refuse(chain, due, { type: null, reason: "retention", lossReason: "retention" });
    else this.#unreadable(chain, due);
  }
  #unreadable(chain: Chain, due: Due): void {
    this.#reports.damaged(due.seq, chain);
    this.#refuse(chain, due, { type: null, reason: "corrupt", lossReason: "buffer_corrupt" });
  }
  #refuse(chain: Chain, { seq, prev }: Due, why: Pick<Refusal, "type" | "reason" | "lossReason"> & Partial<Pick<Refusal, "isAgain">>): void {
    chain.rejected++;
    chain.refusedTo = Math.max(chain.refusedTo, seq);
    this.refusals.push({ chain, seq, prev, isAgain: false, ...why });
  }
}
