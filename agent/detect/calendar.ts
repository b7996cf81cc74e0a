/**
 * Scheduled time: which shift and which planned break an instant belongs to, and when that changes next.
 * Pure; all instants are UTC, all intervals [start, end). Without a calendar all time is scheduled, no shift is named,
 * and the windows of summaries are local dates (23 or 25 h long when the clock changes). Source: records.md §7.
 */
import type { CalendarRules, MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import { dateOf, localDay, occurrencesOn, pausesOn, wallInstant, type Occurrence, type Pause } from "./calendar-day.ts";

export type { Occurrence, Pause } from "./calendar-day.ts";

/** A stretch of time with one shift and one break, or none. `pause` is the break's name. */
export interface Piece {
  readonly from: UnixMs;
  readonly to: UnixMs;
  readonly occurrence: Occurrence | null;
  readonly pause: string | null;
}

/** What a summary sums over. */
export interface Window {
  readonly kind: "shift" | "businessDate";
  readonly shiftId: string;
  readonly start: UnixMs;
  readonly end: UnixMs;
}

/** Shifts that overlap [from, to), in order of time. */
export function occurrencesBetween(calendar: CalendarRules, from: UnixMs, to: UnixMs): readonly Occurrence[] {
  const found: Occurrence[] = [];
  if (to <= from) return found;
  const last = localDay(calendar.timezone, to);
  for (let day = localDay(calendar.timezone, from) - 1; day <= last; day += 1) {
    for (const one of occurrencesOn(calendar, day)) if (one.end > from && one.start < to) found.push(one);
  }
  return found;
}

/** The shift that contains `at`, or null. */
export function occurrenceAt(calendar: CalendarRules, at: UnixMs): Occurrence | null {
  const day = localDay(calendar.timezone, at);
  for (const one of [...occurrencesOn(calendar, day - 1), ...occurrencesOn(calendar, day)]) if (one.start <= at && at < one.end) return one;
  return null;
}

/** The planned break, inside a shift, that contains `at`, or null. */
export function pauseAt(calendar: CalendarRules, at: UnixMs): Pause | null {
  const day = localDay(calendar.timezone, at);
  for (const one of [...pausesOn(calendar, day - 1), ...pausesOn(calendar, day)]) if (one.start <= at && at < one.end) return one;
  return null;
}

/** True inside a shift, breaks included; without a calendar always. */
export const scheduledAt = (calendar: CalendarRules | null, at: UnixMs): boolean => calendar === null || occurrenceAt(calendar, at) !== null;

/** Dates from the day before `at` on that may hold anything: the week's pattern, past every exception, then the exceptions beyond. */
function* datesFrom(calendar: CalendarRules, at: UnixMs): Generator<number> {
  const first = localDay(calendar.timezone, at) - 1;
  const last = first + 9 + calendar.exceptions.length;
  for (let day = first; day <= last; day += 1) yield day;
  const beyond = calendar.exceptions.map((one) => Math.floor(Date.parse(`${one.date}T00:00:00Z`) / 86_400_000)).filter((day) => day > last);
  yield* beyond.sort((a, b) => a - b);
}

/** The first of `instantsOn` after `at`. What starts on one date may end after what starts on the next has begun, so one date more is read. */
function firstAfter(calendar: CalendarRules, at: UnixMs, instantsOn: (day: number) => readonly UnixMs[]): UnixMs | null {
  let found: number | null = null;
  for (const day of datesFrom(calendar, at)) {
    const foundBefore = found !== null;
    for (const instant of instantsOn(day)) if (instant > at && (found === null || instant < found)) found = instant;
    if (foundBefore) break;
  }
  return found === null ? null : unixMs(found);
}

/** Next instant after `at` at which a shift or a break in one begins or ends; null when the calendar holds none. */
export function nextBoundaryAfter(calendar: CalendarRules, at: UnixMs): UnixMs | null {
  return firstAfter(calendar, at, (day) => [...occurrencesOn(calendar, day), ...pausesOn(calendar, day)].flatMap((one) => [one.start, one.end]));
}

/** Next instant after `at` at which a shift begins; null when the calendar holds none. */
export const nextShiftStartAfter = (calendar: CalendarRules, at: UnixMs): UnixMs | null =>
  firstAfter(calendar, at, (day) => occurrencesOn(calendar, day).map((one) => one.start));

/** [from, to) cut at every boundary of shifts and breaks; the pieces tile it. Lazy, because a range may be long. */
export function* piecesBetween(calendar: CalendarRules | null, from: UnixMs, to: UnixMs): Generator<Piece> {
  let at = from;
  while (at < to) {
    const boundary = calendar ? nextBoundaryAfter(calendar, at) : null;
    const end = boundary === null || boundary > to ? to : boundary;
    yield { from: at, to: end, occurrence: calendar && occurrenceAt(calendar, at), pause: (calendar && pauseAt(calendar, at)?.name) ?? null };
    at = end;
  }
}

/** The window of summaries that contains `at`, or else the next one to come; null when the calendar holds no more shifts. */
export function windowFrom(rules: MachineRules, at: UnixMs): Window | null {
  const { calendar, timezone } = rules;
  if (calendar === null) {
    const today = localDay(timezone, at);
    // Where the clock goes back over midnight, the date has two parts; the second belongs to the next date's window.
    const day = at < wallInstant(timezone, today + 1, 0) ? today : today + 1;
    return { kind: "businessDate", shiftId: dateOf(day), start: wallInstant(timezone, day, 0), end: wallInstant(timezone, day + 1, 0) };
  }
  const next = occurrenceAt(calendar, at)?.start ?? nextShiftStartAfter(calendar, at);
  const occurrence = next === null ? null : occurrenceAt(calendar, next);
  return occurrence && { kind: "shift", shiftId: occurrence.shiftId, start: occurrence.start, end: occurrence.end };
}
