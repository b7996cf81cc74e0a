/** Where destinations, their bridges and people are served: rows handed out and taken back, confirmations, repeats, dead letters, counts. */
import { InvariantError } from "../../agent/contract/errors.ts";
import type { Answer, DeadLetter, DestinationBacklog, DroppedCount, LedgerRow, Outcome, StoredRecord } from "../../agent/contract/outbox.ts";
import type { Books } from "../ledger/books.ts";
import type { Chain } from "./chain.ts";
import { Deliveries, type Reports } from "./deliveries.ts";
import type { Teller } from "../loss/losses.ts";
import { confirmRows, deadLetters, oldestWaitingAt, purgeDead, releaseDead, replayCount, replayRows } from "./requests.ts";

export interface DeskParts extends Reports {
  /** Configured ones. */
  readonly destinations: readonly Chain[];
  /** Every one that the file knows. */
  readonly known: readonly Chain[];
  readonly books: () => Books;
  readonly teller: () => Teller;
  readonly syncedSeq: () => number;
  /** What SQLite throws becomes a StoreError. */
  readonly use: <T>(ask: () => T) => T;
  /** Something was written outside a group: it wants a sync. */
  readonly written: () => void;
  /** Something was promised that is not written yet: the next write wants a sync. */
  readonly promised: () => void;
}

export class Desk {
  readonly deliveries: Deliveries;
  readonly #parts: DeskParts;
  readonly #byName: ReadonlyMap<string, Chain>;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    this.deliveries = new Deliveries(parts);
    this.#byName = new Map(parts.destinations.map((chain) => [chain.name, chain]));
  }

  pending(destination: string, after: number, limit: number): readonly StoredRecord[] {
    return this.#with(destination, (books, chain) => this.deliveries.pending(books, chain, { after, through: this.#parts.syncedSeq(), limit }));
  }
  /** Those that may leave; `isHeldBack`: there are more, and they may once the mark of what was sent is synced. */
  sendable(destination: string, after: number, limit: number): { readonly rows: readonly StoredRecord[]; readonly isHeldBack: boolean } {
    return this.#with(destination, (books, chain) => {
      const [synced, { mayLeave }] = [this.#parts.syncedSeq(), chain.sent];
      const rows = this.deliveries.pending(books, chain, { after, through: Math.min(synced, mayLeave), limit });
      const next = rows.length < limit && mayLeave < synced ? books.rows.next(chain, Math.max(after, mayLeave, chain.through)) : null;
      const isHeldBack = next !== null && next.seq <= synced;
      if (isHeldBack) {
        chain.sent.want(next.seq);
        this.#parts.promised();
      }
      return { rows, isHeldBack };
    });
  }
  sending(destination: string, seq: number): boolean {
    return this.#chain(destination).sent.sending(seq);
  }
  replaying(destination: string, after: number, limit: number): readonly StoredRecord[] {
    return this.#with(destination, (books, chain) => this.deliveries.replaying(books, chain, after, limit));
  }
  offerRefused(destination: string): void {
    this.#chain(destination).owed.offer();
  }
  settle(destination: string, outcome: Outcome): void {
    this.#with(destination, (books, chain) => this.deliveries.settle(books, chain, outcome));
  }
  history(after: number, limit: number): readonly LedgerRow[] {
    return this.#parts.use(() => this.#parts.books().ledger.history(after, this.#parts.syncedSeq(), limit));
  }

  confirm(destination: string, epoch: string, through: number): Answer {
    return this.#answer(destination, (books, chain) => confirmRows(books, chain, epoch, through));
  }
  replay(destination: string, epoch: string, from: number, to: number): Answer {
    return this.#answer(destination, (books, chain) => {
      const answer = replayRows(books, chain, epoch, { from, to });
      if (answer.ok) this.#parts.promised();
      return answer;
    });
  }
  deadLetters(limit: number): readonly DeadLetter[] {
    return this.#parts.use(() => deadLetters(this.#parts.books(), this.#parts.known, limit));
  }
  release(destination: string, fromSeq: number): Answer {
    const { teller, known, written } = this.#parts;
    return this.#answer(destination, (books, chain) => {
      const answer = releaseDead(books, chain, fromSeq, { teller: teller(), known, deliveries: this.deliveries });
      if (answer.ok) written();
      return answer;
    });
  }
  purge(destination: string, fromSeq: number): Answer {
    return this.#answer(destination, (books, chain) => purgeDead(books, chain, fromSeq));
  }

  dropped(day: string): readonly DroppedCount[] {
    return this.#parts.use(() => this.#parts.books().drops.on(day));
  }
  backlogs(): readonly DestinationBacklog[] {
    return this.#parts.destinations.map((chain) => ({
      name: chain.name, lastDue: chain.lastDue.seq, waiting: chain.waiting, acknowledged: chain.acknowledged, rejected: chain.rejected, dead: this.#parts.books().tables.deadRows(chain.id), lost: chain.lost,
      confirmedThrough: chain.confirmedThrough, isConfirming: chain.isConfirming, replaying: replayCount(chain),
      oldestWaitingAt: this.#parts.use(() => oldestWaitingAt(this.#parts.books(), chain, this.#parts.syncedSeq())),
    }));
  }

  #answer(destination: string, ask: (books: Books, chain: Chain) => Answer): Answer {
    return this.#byName.has(destination) ? this.#with(destination, ask) : { ok: false, reason: `no destination ${destination.slice(0, 40)} is configured` };
  }
  #chain(destination: string): Chain {
    const chain = this.#byName.get(destination);
    if (!chain) throw new InvariantError(`the buffer was opened without a destination ${destination}`);
    return chain;
  }
  #with<T>(destination: string, ask: (books: Books, chain: Chain) => T): T {
    const chain = this.#chain(destination);
    return this.#parts.use(() => ask(this.#parts.books(), chain));
  }
}
