/**
 * One destination's view of the ledger: which rows are due to it, in what chain (`prev`), and how far it has settled
 * them. The filter in force when a row is committed decides for ever whether the row is due: a change of filter starts a
 * new route. Without a filter `prev` is the row before and nothing is stored for it; with one, `due` holds the chain.
 * Loss records are due under every filter: a hole must be explained to whoever sees it.
 * Acknowledgements may come in any order; `through` moves when the chain up to it is complete, and goes to disk with a
 * later commit (losing it only sends again). Rows given up keep their place in the chain; `through` passes them when
 * nothing that is kept lies before them.
 */
import { InvariantError } from "../../agent/contract/errors.ts";
import type { RecordType } from "../../agent/contract/record.ts";
import type { ChainTables, CursorRow, Due, Route } from "./chain-tables.ts";
import { Owed } from "./owed.ts";
import { Replays } from "./replays.ts";
import { SentMark } from "./sent-mark.ts";
import type { StandingTables } from "./standing-tables.ts";

export interface Segment {
  readonly route: Route;
  /** Last row of it so far, inclusive. */
  readonly to: number;
}

/** What is still kept of a chain. Asked only where rows of it were given up. */
export interface KeptRows {
  next(chain: Chain, after: number): Due | null;
  has(chain: Chain, seq: number): boolean;
}

/** What a row takes beside its body. */
export const ROW_BYTES = 48;
/** Rows over which the mean runs. */
const MEAN_OVER = 256;
export const ALL = "*";
export const NONE = "";

export class Chain {
  readonly id: number;
  readonly name: string;
  /** It was not configured when the buffer was last open. */
  wasAway = false;
  /** Its bridge is known to confirm: configured so, or seen to. */
  confirms = false;
  through: number;
  throughN: number;
  rejected: number;
  /** The bridge holds everything due through here; null while it never said so. */
  confirmedThrough: number | null = null;
  /** Given up for want of room: all of them, and those after `through`. */
  lost = 0;
  lostAhead = 0;
  /** The last of them. */
  lostTo = 0;
  /** Refused rows that wait to be sent again. */
  released = 0;
  /** Of the newest rows due to it, on the disk. */
  meanBytes = ROW_BYTES + 300;
  /** Highest row acknowledged or refused, and highest refused: in this process, or before it, as far as the cursor tells. */
  ackedTo: number;
  refusedTo: number;
  /** Last row that may ever have been handed out. */
  sentThrough: number;
  replays = new Replays([]);
  owed = new Owed([]);
  /** What may have left, in this process or before it. */
  readonly sent: SentMark;
  /** Settled ahead of `through`: the row before each in the chain, to it. Bounded by what `pending` handed out. */
  readonly #ahead = new Map<number, Due>();
  readonly #aheadSeqs = new Set<number>();
  #tables: ChainTables;
  #standing: StandingTables;
  #lostToN = 0;
  #savedStanding = "";
  #routes: readonly Route[] = [];
  #wanted: ReadonlySet<string> | "all" | "none" = "none";
  #last: Due = { seq: 0, prev: 0, n: 0 };
  #savedThrough: number;
  #savedRejected: number;

  constructor(tables: ChainTables, standing: StandingTables, row: CursorRow & { readonly name: string }, lastSeq: number) {
    this.#tables = tables;
    this.#standing = standing;
    this.id = row.id;
    this.name = row.name;
    this.#savedThrough = this.through = this.ackedTo = this.refusedTo = row.through;
    this.throughN = row.through_n;
    this.#savedRejected = this.rejected = row.rejected;
    const known = standing.standing(row.id);
    if (known) ({ confirmed: this.confirmedThrough, lost: this.lost, lost_ahead: this.lostAhead, lost_to: this.lostTo, lost_to_n: this.#lostToN, released: this.released } = known);
    this.replays = new Replays(standing.replays(row.id));
    this.owed = new Owed(standing.owed(row.id));
    this.#readEnd(lastSeq);
    this.#savedStanding = this.#standingText();
    this.sentThrough = this.#last.seq;
    this.sent = new SentMark({ stored: standing.sent(row.id), through: this.through, last: this.#last.seq });
  }

  /** Reads the chain's end again: at open, after a transaction that failed, and from a new connection. */
  reload(lastSeq: number, tables = this.#tables, standing = this.#standing): void {
    this.#tables = tables;
    this.#standing = standing;
    this.#readEnd(lastSeq);
    this.sent.reread(standing.sent(this.id));
  }
  #readEnd(lastSeq: number): void {
    this.#routes = this.#tables.routes(this.id);
    const route = this.#routes.at(-1);
    if (!route) return;
    this.#wanted = route.types === ALL ? "all" : route.types === NONE ? "none" : new Set(route.types.split(","));
    const base = { seq: route.base, prev: 0, n: route.base_n };
    if (this.#wanted === "all") this.#last = lastSeq >= route.since ? { seq: lastSeq, prev: 0, n: route.base_n + lastSeq - route.since + 1 } : base;
    else {
      const stored = this.#tables.lastDue(this.id);
      const settled = { seq: this.through, prev: 0, n: this.throughN }; // When retention has taken every row of it.
      const lost = { seq: this.lostTo, prev: 0, n: this.#lostToN }; // When the newest were given up.
      this.#last = [base, settled, lost, ...(stored ? [stored] : [])].reduce((a, b) => (b.seq > a.seq ? b : a));
    }
  }

  /** Last row that was settled, in whatever order. */
  get settledTo(): number {
    let last = this.through;
    for (const seq of this.#aheadSeqs) if (seq > last) last = seq;
    return last;
  }
  get isUnfiltered(): boolean { return this.#wanted === "all"; }
  get settledAll(): boolean { return this.through >= this.#last.seq; }
  /** Nothing after it is done with for good: a loss that ends there may grow. */
  get doneTo(): number { return this.isConfirming ? Math.max(this.confirmedThrough ?? 0, this.refusedTo) : this.ackedTo; }
  get isConfirming(): boolean { return this.confirms || this.confirmedThrough !== null; }
  get types(): string { return this.#routes.at(-1)?.types ?? NONE; }
  get lastDue(): Due { return this.#last; }
  get waiting(): number { return this.#last.n - this.throughN - this.#ahead.size - this.lostAhead + this.released + this.owed.size; }
  get acknowledged(): number { return this.throughN + this.#ahead.size - this.rejected - (this.lost - this.lostAhead) - this.released - this.owed.size; }
  get isDirty(): boolean {
    return this.through !== this.#savedThrough || this.rejected !== this.#savedRejected || this.replays.isDirty || this.owed.isDirty || this.sent.isDirty || this.#standingText() !== this.#savedStanding;
  }

  /** From `since` on the filter is `types`. Inside a transaction. */
  startRoute(since: number, types: string): void {
    this.#tables.putRoute({ destination: this.id, since, types, base: this.#last.seq, base_n: this.#last.n });
    this.reload(since - 1);
  }
  /** A row was appended. Inside its transaction. */
  extend(seq: number, type: RecordType, bytes = 0): void {
    if (this.#wanted === "none") return;
    this.sent.following(this.#last.seq, seq);
    if (this.#wanted !== "all" && !this.#wanted.has(type)) return;
    const due = { seq, prev: this.#last.seq, n: this.#last.n + 1 };
    if (this.#wanted !== "all") this.#tables.putDue(this.id, due);
    this.#last = due;
    if (bytes > 0) this.meanBytes += (bytes + ROW_BYTES - this.meanBytes) / MEAN_OVER;
  }
  /** Routes that hold rows after `after` up to `through`, oldest first. */
  *segments(after: number, through: number): Generator<Segment> {
    for (const [index, route] of this.#routes.entries()) {
      const to = Math.min(through, (this.#routes[index + 1]?.since ?? Infinity) - 1);
      if (route.types !== NONE && to > after && to >= route.since) yield { route, to };
    }
  }
  /** Where a row stands in the chain; undefined when it is not due to this destination. */
  place(seq: number): Due | undefined {
    const route = this.#routes.findLast(({ since }) => since <= seq);
    if (!route || route.types === NONE || seq > this.#last.seq) return undefined;
    return route.types === ALL ? placeIn(route, seq) : this.#tables.due(this.id, seq);
  }

  /** How many rows up to `seq` were due, given up or not. */
  dueThrough(seq: number): number {
    if (seq >= this.#last.seq) return this.#last.n;
    const route = this.#routes.findLast(({ since }) => since <= seq);
    if (!route || route.types === NONE) return route?.base_n ?? 0;
    return route.types === ALL ? placeIn(route, seq).n : (this.#tables.dueBefore(this.id, seq)?.n ?? route.base_n);
  }

  /** Refused once, and still to be sent again: nothing of it is told lost. */
  isReleased(seq: number): boolean {
    return this.owed.has(seq) || this.replays.of(seq)?.released === true;
  }
  isSettled(seq: number): boolean {
    return seq <= this.through || this.#aheadSeqs.has(seq);
  }
  /** False when it was settled already: a second acknowledgement changes nothing. */
  settle(seq: number, kept: KeptRows): boolean {
    if (this.isSettled(seq) || (seq <= this.lostTo && !kept.has(this, seq))) return false;
    const due = this.place(seq);
    if (!due) throw new InvariantError(`row ${seq} was settled for ${this.name}, to which it was never due`);
    this.#ahead.set(due.prev, due);
    this.#aheadSeqs.add(seq);
    this.ackedTo = Math.max(this.ackedTo, seq);
    this.replays.take(seq); // Asked for again before it was sent at all.
    this.advance(kept);
    return true;
  }
  /** At open: settled ahead of the cursor, as the disk says elsewhere. */
  remember(after: number, to: number): void {
    for (const { route, to: end } of this.segments(after, to)) {
      const from = Math.max(after + 1, route.since);
      const seqs = route.types === ALL ? Array.from({ length: Math.max(0, end - from + 1) }, (_, index) => from + index) : this.#tables.dueBetween(this.id, from - 1, end);
      for (const seq of seqs) {
        const due = this.isSettled(seq) ? undefined : this.place(seq);
        if (!due) continue;
        this.#ahead.set(due.prev, due);
        this.#aheadSeqs.add(seq);
        this.ackedTo = Math.max(this.ackedTo, seq);
        this.refusedTo = Math.max(this.refusedTo, seq);
      }
    }
  }
  /** Moves `through` over what is settled or given up. */
  advance(kept: KeptRows): void {
    for (;;) {
      const next = this.#ahead.get(this.through);
      if (next) {
        this.#ahead.delete(next.prev);
        this.#aheadSeqs.delete(next.seq);
        this.through = next.seq;
        this.throughN = next.n;
      } else {
        if (this.through >= this.lostTo) return;
        const there = kept.next(this, this.through);
        const before = there ? { seq: there.prev, n: there.n - 1 } : this.#last;
        if (before.seq <= this.through) return;
        this.lostAhead = before.seq >= this.lostTo ? 0 : Math.max(0, this.lostAhead - (before.n - this.throughN));
        this.through = before.seq;
        this.throughN = before.n;
      }
    }
  }
  /** A row of it goes for want of room: said before it goes. `advance` when all of them have. */
  giveUp(seq: number): void {
    this.lost++;
    if (seq > this.lostTo) [this.lostTo, this.#lostToN] = [seq, this.dueThrough(seq)];
    if (this.#aheadSeqs.delete(seq)) this.#ahead.delete(this.place(seq)?.prev ?? -1); // Acknowledged, and to be confirmed: given up like one that was not.
    if (!this.isSettled(seq)) this.lostAhead++;
    if (this.replays.of(seq)?.released === true) this.released--;
    this.replays.take(seq);
    this.owed.take(seq);
  }
  /** Rows up to `to` are gone, and were not given up one by one. */
  missOut(count: number, to: number): void {
    this.lost += count;
    this.lostAhead += count;
    if (to > this.lostTo) [this.lostTo, this.#lostToN] = [to, this.dueThrough(to)];
  }
  /** Undoes what a transaction that failed gave up. */
  mark(): () => void {
    const { lost, lostAhead, lostTo, released } = this;
    const lostToN = this.#lostToN;
    const [ranges, isDirty] = [this.replays.all, this.replays.isDirty];
    const owed = this.owed.all;
    const ahead = [...this.#ahead.values()];
    return () => {
      for (const due of ahead) {
        this.#ahead.set(due.prev, due);
        this.#aheadSeqs.add(due.seq);
      }
      Object.assign(this, { lost, lostAhead, lostTo, released });
      this.#lostToN = lostToN;
      this.replays.restore(ranges, isDirty);
      this.owed.restore(owed);
    };
  }
  /** True when what is due to it of these rows is listed in `due`. */
  isListed(after: number, to: number): boolean {
    return [...this.segments(after, to)].some(({ route }) => route.types !== ALL);
  }
  /** Writes the cursor and what stands beside it. Inside a transaction; `saved` says that it was committed. */
  save(): void {
    this.#tables.putCursor({ id: this.id, through: this.through, through_n: this.throughN, rejected: this.rejected });
    if (this.#standingText() !== this.#savedStanding)
      this.#standing.putStanding({ destination: this.id, confirmed: this.confirmedThrough, lost: this.lost, lost_ahead: this.lostAhead, lost_to: this.lostTo, lost_to_n: this.#lostToN, released: this.released });
    if (this.replays.isDirty) this.#standing.putReplays(this.id, this.replays.all);
    if (this.owed.isDirty) this.#standing.putOwed(this.id, this.owed);
    this.sent.reach(this.through);
    if (this.sent.isDirty) this.#standing.putSent(this.id, this.sent.reserved);
  }
  /** How far was sent, exactly, because nothing leaves any more. Inside a transaction. */
  saveSent(through = Math.max(this.through, this.sent.exact)): void {
    this.#standing.putSent(this.id, through);
  }
  saved(): void {
    this.#savedThrough = this.through;
    this.#savedRejected = this.rejected;
    this.#savedStanding = this.#standingText();
    this.replays.isDirty = false;
    this.owed.saved();
    this.sent.saved();
  }

  #standingText(): string {
    return `${this.confirmedThrough}|${this.lost}|${this.lostAhead}|${this.lostTo}|${this.released}`;
  }
}

export const placeIn = (route: Route, seq: number): Due =>
  ({ seq, prev: seq === route.since ? route.base : seq - 1, n: route.base_n + seq - route.since + 1 });
