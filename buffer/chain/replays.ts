/**
 * Rows of one destination that are to be sent again, as ranges of numbers: apart, in order, few. A range may hold numbers
 * that are not due or no longer kept; whoever reads them takes those out.
 */
import type { ReplayRange } from "./standing-tables.ts";

/** More than this are not asked for at once; acknowledgements out of order may split them further for a moment. */
export const REPLAYS_AT_ONCE = 64;

export class Replays {
  #ranges: ReplayRange[];
  isDirty = false;

  constructor(ranges: readonly ReplayRange[]) {
    this.#ranges = [...ranges];
  }
  get all(): readonly ReplayRange[] { return this.#ranges; }
  get first(): number { return this.#ranges[0]?.from ?? Infinity; }

  /** False when there are too many already. What is asked for twice is sent once; a released row stays one. */
  add(from: number, to: number, released: boolean): boolean {
    const pieces = released ? this.#without(from, to) : this.#ranges;
    const fresh = released ? [{ from, to, released }] : outside(this.#ranges, from, to);
    const joined: ReplayRange[] = [];
    for (const range of [...pieces, ...fresh].sort((a, b) => a.from - b.from)) {
      const before = joined.at(-1);
      if (before && before.released === range.released && before.to + 1 >= range.from) joined[joined.length - 1] = { ...before, to: Math.max(before.to, range.to) };
      else joined.push(range);
    }
    if (joined.length > REPLAYS_AT_ONCE && joined.length > this.#ranges.length) return false;
    this.#ranges = joined;
    this.isDirty = true;
    return true;
  }
  /** What a transaction that failed had changed. */
  restore(ranges: readonly ReplayRange[], isDirty: boolean): void {
    this.#ranges = [...ranges];
    this.isDirty = isDirty;
  }
  /** The range a row is asked for in. */
  of(seq: number): ReplayRange | undefined {
    return this.#ranges.find(({ from, to }) => from <= seq && seq <= to);
  }
  /** `from` to `to` are done with, or not there to be sent. */
  take(from: number, to = from): void {
    if (!this.#ranges.some((range) => range.from <= to && range.to >= from)) return;
    this.#ranges = this.#without(from, to);
    this.isDirty = true;
  }

  #without(from: number, to: number): ReplayRange[] {
    return this.#ranges.flatMap((range) => range.to < from || range.from > to ? [range] : [
      ...(range.from < from ? [{ ...range, to: from - 1 }] : []), ...(range.to > to ? [{ ...range, from: to + 1 }] : []),
    ]);
  }
}

/** What of `from` to `to` lies in none of the ranges. */
function outside(ranges: readonly ReplayRange[], from: number, to: number): ReplayRange[] {
  const pieces: ReplayRange[] = [];
  let next = from;
  for (const range of ranges) {
    if (range.to < next || range.from > to) continue;
    if (range.from > next) pieces.push({ from: next, to: range.from - 1, released: false });
    next = range.to + 1;
  }
  if (next <= to) pieces.push({ from: next, to, released: false });
  return pieces;
}
