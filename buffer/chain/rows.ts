/**
 * What is kept of a destination's chain, on one connection. Rows given up are passed over without being walked: for
 * everyone they are not in the table, for one destination alone its spans say which types are not meant.
 */
import { ALL, placeIn, ROW_BYTES, type Chain, type KeptRows, type Segment } from "./chain.ts";
import type { ChainTables, Due } from "./chain-tables.ts";
import type { Gaps } from "../room/gaps.ts";
import type { Ledger, ReadRow } from "../ledger/ledger.ts";
import type { Sweeps } from "../room/sweeps.ts";
import { TYPE_CODES } from "../ledger/schema.ts";
import { codesOf, valueOfCode } from "../room/value.ts";

/** Part of an unfiltered segment in which the same types are not meant. */
interface Stretch { readonly after: number; readonly to: number; readonly except: string }
const NOTHING = "[]";
/** Rows from which the mean size of a row is taken when the buffer is opened. */
const SAMPLE_ROWS = 100;

export class Rows implements KeptRows {
  readonly #ledger: Ledger;
  readonly #tables: ChainTables;
  readonly #sweeps: Sweeps;
  readonly #gaps: Gaps;

  constructor(ledger: Ledger, tables: ChainTables, { sweeps, gaps }: { readonly sweeps: Sweeps; readonly gaps: Gaps }) {
    this.#ledger = ledger;
    this.#tables = tables;
    this.#sweeps = sweeps;
    this.#gaps = gaps;
  }

  /** Rows due after `after` up to `through`, oldest first; one that should be there and is not comes back damaged. */
  *read(chain: Chain, after: number, through: number, limit: number): Generator<readonly [Due, ReadRow]> {
    let left = limit;
    for (const { route, to } of chain.segments(after, through)) {
      const from = Math.max(after, route.since - 1);
      if (route.types !== ALL) {
        for (const { due, row } of this.#tables.readDue(chain.id, from, to, left)) {
          left--;
          yield [due, row ? this.#ledger.decode(row) : { seq: due.seq, damaged: true }];
        }
      } else for (const stretch of this.#stretches(chain, { route, to }, after)) {
        if (left <= 0) return;
        for (const row of this.#readIn(chain, stretch, left)) {
          left--;
          yield [placeIn(route, row.seq), row];
        }
      }
      if (left <= 0) return;
    }
  }
  next(chain: Chain, after: number): Due | null {
    for (const { route, to } of chain.segments(after, chain.lastDue.seq)) {
      if (route.types !== ALL) {
        const due = this.#tables.nextDue(chain.id, Math.max(after, route.since - 1));
        if (due && due.seq <= to) return due;
      } else for (const stretch of this.#stretches(chain, { route, to }, after)) {
        for (const part of this.#partsOf(chain, stretch)) {
          const seq = this.#ledger.next(part.after, part.to, stretch.except);
          if (seq !== undefined) return placeIn(route, seq);
        }
      }
    }
    return null;
  }
  has(chain: Chain, seq: number): boolean {
    if (!chain.place(seq)) return false;
    const type = this.#ledger.typeOf(seq);
    return type !== undefined && !this.isGivenUp(chain, seq, valueOfCode(TYPE_CODES[type]));
  }
  /** Of the newest rows due to it. */
  meanBytes(chain: Chain): number {
    const { seq } = chain.lastDue;
    const sizes = [...this.read(chain, Math.max(0, seq - SAMPLE_ROWS), seq, SAMPLE_ROWS)].flatMap(([, row]) => ("damaged" in row ? [] : [row.body.length + ROW_BYTES]));
    return sizes.length === 0 ? chain.meanBytes : sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  }
  /** True when a row that may still be there for others was given up for this destination. */
  isGivenUp(chain: Chain, seq: number, value: number): boolean {
    return this.#sweeps.of(chain.id).some((span) => span.value === value && span.from <= seq && seq <= span.to);
  }

  *#readIn(chain: Chain, stretch: Stretch, limit: number): Generator<ReadRow> {
    let left = limit;
    for (const { after, to } of this.#partsOf(chain, stretch)) {
      if (left <= 0) return;
      for (const row of stretch.except === NOTHING ? this.#ledger.read(after, to, left) : this.#ledger.readExcept(after, to, left, stretch.except)) {
        left--;
        yield row;
      }
    }
  }
  #partsOf(chain: Chain, stretch: Stretch): Iterable<Pick<Stretch, "after" | "to">> {
    return stretch.except === NOTHING ? [stretch] : this.#gaps.outside(chain.id, stretch.after, stretch.to);
  }
  #stretches(chain: Chain, { route, to }: Segment, after: number): readonly Stretch[] {
    const from = Math.max(after, route.since - 1);
    const spans = this.#sweeps.of(chain.id);
    const cuts = [from, ...spans.flatMap((span) => [span.from - 1, span.to]).filter((cut) => cut > from && cut < to).sort((a, b) => a - b), to];
    return cuts.slice(1).flatMap((end, index) => {
      const begin = cuts[index] ?? from;
      if (end <= begin) return [];
      const values = spans.filter((span) => span.from <= end && span.to > begin).map(({ value }) => value);
      return [{ after: begin, to: end, except: values.length === 0 ? NOTHING : codesOf(values) }];
    });
  }
}
