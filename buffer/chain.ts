/**
 * One destination's view of the ledger: which rows are due to it, in what chain (`prev`), and how far it has settled
 * them. The filter in force when a row is committed decides for ever whether the row is due: a change of filter starts a
 * new route. Without a filter `prev` is the row before and nothing is stored for it; with one, `due` holds the chain.
 * Loss records are due under every filter: a hole must be explained to whoever sees it.
 * Acknowledgements may come in any order; `through` moves when the chain up to it is complete, and goes to disk with a
 * later commit (losing it only sends again).
 */
import { InvariantError } from "../agent/contract/errors.ts";
import type { RecordType } from "../agent/contract/record.ts";
import type { ChainTables, CursorRow, Due, Route } from "./chain-tables.ts";

export interface Segment {
  readonly route: Route;
  /** Last row of it so far, inclusive. */
  readonly to: number;
}

export const ALL = "*";
export const NONE = "";

/** How a filter is written in `route.types`; order and repetition do not matter. */
export function filterText(types: readonly RecordType[] | undefined): string {
  if (types === undefined) return ALL;
  const wanted = new Set<RecordType>([...types, "loss"]);
  return [...wanted].sort().join(",");
}

export class Chain {
  readonly id: number;
  readonly name: string;
  through: number;
  throughN: number;
  rejected: number;
  /** Settled ahead of `through`: the row before each in the chain, to it. Bounded by what `pending` handed out. */
  readonly #ahead = new Map<number, Due>();
  readonly #aheadSeqs = new Set<number>();
  #tables: ChainTables;
  #routes: readonly Route[] = [];
  #wanted: ReadonlySet<string> | "all" | "none" = "none";
  #last: Due = { seq: 0, prev: 0, n: 0 };
  #savedThrough: number;
  #savedRejected: number;

  constructor(tables: ChainTables, row: CursorRow & { readonly name: string }, lastSeq: number) {
    this.#tables = tables;
    this.id = row.id;
    this.name = row.name;
    this.#savedThrough = this.through = row.through;
    this.throughN = row.through_n;
    this.#savedRejected = this.rejected = row.rejected;
    this.reload(lastSeq);
  }

  /** Reads the chain's end again: at open, after a transaction that failed, and from a new connection. */
  reload(lastSeq: number, tables = this.#tables): void {
    this.#tables = tables;
    this.#routes = this.#tables.routes(this.id);
    const route = this.#routes.at(-1);
    if (!route) return;
    this.#wanted = route.types === ALL ? "all" : route.types === NONE ? "none" : new Set(route.types.split(","));
    const base = { seq: route.base, prev: 0, n: route.base_n };
    if (this.#wanted === "all") this.#last = lastSeq >= route.since ? { seq: lastSeq, prev: 0, n: route.base_n + lastSeq - route.since + 1 } : base;
    else {
      const stored = this.#tables.lastDue(this.id);
      const settled = { seq: this.through, prev: 0, n: this.throughN }; // When retention has taken every row of it.
      this.#last = [base, settled, ...(stored ? [stored] : [])].reduce((a, b) => (b.seq > a.seq ? b : a));
    }
  }

  get types(): string { return this.#routes.at(-1)?.types ?? NONE; }
  get lastDue(): Due { return this.#last; }
  get waiting(): number { return this.#last.n - this.throughN - this.#ahead.size; }
  get settledCount(): number { return this.throughN + this.#ahead.size; }
  get isDirty(): boolean { return this.through !== this.#savedThrough || this.rejected !== this.#savedRejected; }

  /** From `since` on the filter is `types`. Inside a transaction. */
  startRoute(since: number, types: string): void {
    this.#tables.putRoute({ destination: this.id, since, types, base: this.#last.seq, base_n: this.#last.n });
    this.reload(since - 1);
  }
  /** A row was appended. Inside its transaction. */
  extend(seq: number, type: RecordType): void {
    if (this.#wanted === "none" || (this.#wanted !== "all" && !this.#wanted.has(type))) return;
    const due = { seq, prev: this.#last.seq, n: this.#last.n + 1 };
    if (this.#wanted !== "all") this.#tables.putDue(this.id, due);
    this.#last = due;
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

  isSettled(seq: number): boolean {
    return seq <= this.through || this.#aheadSeqs.has(seq);
  }
  /** False when it was settled already: a second acknowledgement changes nothing. */
  settle(seq: number): boolean {
    if (this.isSettled(seq)) return false;
    const due = this.place(seq);
    if (!due) throw new InvariantError(`row ${seq} was settled for ${this.name}, to which it was never due`);
    this.#ahead.set(due.prev, due);
    this.#aheadSeqs.add(seq);
    for (let next = this.#ahead.get(this.through); next; next = this.#ahead.get(this.through)) {
      this.#ahead.delete(next.prev);
      this.#aheadSeqs.delete(next.seq);
      this.through = next.seq;
      this.throughN = next.n;
    }
    return true;
  }
  /** Rows up to `due` are gone: go on after it. Only at open, when nothing is settled ahead. */
  skipTo(due: { readonly seq: number; readonly n: number }): void {
    this.through = due.seq;
    this.throughN = due.n;
  }
  /** Writes the cursor. Inside a transaction; `saved` says that it was committed. */
  save(): void {
    this.#tables.putCursor({ id: this.id, through: this.through, through_n: this.throughN, rejected: this.rejected });
  }
  saved(): void {
    this.#savedThrough = this.through;
    this.#savedRejected = this.rejected;
  }
}

export const placeIn = (route: Route, seq: number): Due =>
  ({ seq, prev: seq === route.since ? route.base : seq - 1, n: route.base_n + seq - route.since + 1 });
