/** Spans of a week in local minutes from Monday 00:00, for checks only: real shifts are laid out by agent/detect/calendar.ts. */
import type { Weekday } from "../contract/rules.ts";

const DAY = 1_440;
const WEEK = 7 * DAY;
const INDEX: Readonly<Record<Weekday, number>> = { mon: 0, tue: 1, wed: 2, thu: 3, fri: 4, sat: 5, sun: 6 };

export type WeekSpan = readonly [from: number, to: number];

/** One span a day; what reaches past Sunday goes on at Monday. */
export function weekSpans(rule: { readonly start: number; readonly end: number; readonly days: readonly Weekday[] }): readonly WeekSpan[] {
  const length = rule.end > rule.start ? rule.end - rule.start : rule.end + DAY - rule.start;
  return rule.days.flatMap((day) => {
    const from = INDEX[day] * DAY + rule.start;
    const to = from + length;
    return to <= WEEK ? [[from, to] as const] : [[from, WEEK] as const, [0, to - WEEK] as const];
  });
}

export const overlapping = (some: readonly WeekSpan[], others: readonly WeekSpan[]): boolean =>
  some.some(([from, to]) => others.some(([start, end]) => from < end && start < to));
