/**
 * Up to where rows of a value class were given up: for everyone (destination 0; the rows themselves are gone) or for one
 * destination alone (the rows may still be there for others). One span each: for everyone from the first to the last given
 * up, for one destination as much as lies together, which is all that can still lie ahead of its cursor.
 */
import type { Ledger } from "../ledger/ledger.ts";
import type { StandingTables, Swept } from "../chain/standing-tables.ts";

export const EVERYONE = 0;
/** In place of a value class: rows went because nobody needed them. */
export const NO_CLASS = 0;
/** In place of a value class: loss records of which a later revision is kept. */
export const SUPERSEDED = -1;

export class Sweeps {
  readonly #ledger: Ledger;
  readonly #tables: StandingTables;
  #spans: readonly Swept[] = [];

  constructor(ledger: Ledger, tables: StandingTables) {
    this.#ledger = ledger;
    this.#tables = tables;
    this.reload();
  }
  /** After a transaction that failed. */
  reload(): void {
    this.#set(this.#tables.swept());
  }
  of(destination: number): readonly Swept[] {
    return this.#spans.filter((span) => span.destination === destination);
  }
  /** Last number swept of a class; 0: none. */
  to(destination: number, value: number): number {
    return this.#spans.find((span) => span.destination === destination && span.value === value)?.to ?? 0;
  }
  /** Inside a transaction. */
  extend(destination: number, value: number, from: number, to: number): void {
    const old = this.#spans.find((span) => span.destination === destination && span.value === value);
    const isApart = destination !== EVERYONE && old !== undefined && from > old.to + 1;
    const span = { destination, value, from: old && !isApart ? Math.min(old.from, from) : from, to: Math.max(old?.to ?? 0, to) };
    this.#tables.putSwept(span);
    this.#set([...this.#spans.filter((one) => one !== old), span]);
  }

  #set(spans: readonly Swept[]): void {
    this.#spans = spans;
    const gone = spans.filter(({ destination }) => destination === EVERYONE);
    this.#ledger.absent = gone.length === 0 ? null : { from: Math.min(...gone.map(({ from }) => from)), to: Math.max(...gone.map(({ to }) => to)) };
  }
}
