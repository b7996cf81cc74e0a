/** Arithmetic of half-open intervals. An open one lasts for ever. */
import type { Interval } from "./fact.ts";

export const endOf = ({ end }: Interval): number => end ?? Number.POSITIVE_INFINITY;

export const overlapMs = (one: Interval, other: Interval): number => Math.max(0, Math.min(endOf(one), endOf(other)) - Math.max(one.start, other.start));

export const byStart = <T extends Interval>(facts: readonly T[]): readonly T[] => facts.toSorted((one, other) => one.start - other.start || endOf(one) - endOf(other));

/** Neighbours in order of start that overlap. An open one is compared by its start alone: it should have been closed. */
export function* overlaps<T extends Interval>(facts: readonly T[]): Generator<readonly [T, T], void, void> {
  let longest: T | undefined;
  for (const fact of byStart(facts)) {
    if (longest && overlapMs(longest, fact) > 0) yield [longest, fact];
    if (!longest || endOf(fact) > endOf(longest)) longest = fact;
  }
}

/** Intervals sorted by start, without overlap, made to be asked often: finds what lies under a span by bisection. */
export class Timeline<T extends Interval> {
  readonly sorted: readonly T[];
  constructor(facts: readonly T[]) {
    this.sorted = byStart(facts);
  }
  *under(span: Interval): Generator<T, void, void> {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const fact = this.sorted[middle];
      if (fact && endOf(fact) <= span.start) low = middle + 1;
      else high = middle;
    }
    for (let place = low; place < this.sorted.length; place += 1) {
      const fact = this.sorted[place];
      if (!fact || fact.start >= endOf(span)) return;
      if (overlapMs(fact, span) > 0) yield fact;
    }
  }
}

/** Parts of `span` that `covers`, sorted by start, leave bare. */
export function* bare(span: Interval, covers: readonly Interval[]): Generator<Interval, void, void> {
  let from = span.start;
  for (const cover of covers) {
    if (cover.start >= endOf(span)) break;
    if (cover.start > from) yield { start: from, end: cover.start };
    from = Math.max(from, endOf(cover));
  }
  if (from < endOf(span)) yield { start: from, end: span.end };
}
