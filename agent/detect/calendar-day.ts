/**
 * One local date of a shift calendar as UTC instants (records.md §7). Promises: lengths are those of the zone's real
 * hours (a night shift has 7 or 9 h when the clock changes); windows of shifts never overlap.
 * Choices: a wall time means the first instant at which the local clock shows it or has passed it, so 01:30 that comes
 * twice is the first one, and 02:30 that never comes is the moment of the jump. Where shifts overlap, the one that
 * started first keeps the time and the later one begins where it ends: no scheduled time is lost, none counts twice.
 * A shift lasts at most one day and so reaches into the next date at most. Plans are cached per calendar object.
 */
import type { CalendarRules, ShiftRule, Weekday } from "../contract/rules.ts";
import { rfc3339, unixMs, type UnixMs } from "../contract/time.ts";
import { utcOffsetMin } from "./zone.ts";

/** One shift on one date. `shiftId` is code@business date; the business date is the local date on which it starts. */
export interface Occurrence {
  readonly shiftId: string;
  readonly code: string;
  readonly date: string;
  readonly start: UnixMs;
  readonly end: UnixMs;
}
/** The part of a planned break that lies inside shifts. */
export interface Pause {
  readonly name: string;
  readonly start: UnixMs;
  readonly end: UnixMs;
}

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const WEEKDAYS: readonly Weekday[] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
/** More than a year of dates: a bound on memory, not on the range; beyond it the cache starts afresh. */
const CACHED_DATES = 512;

/** Local date at an instant, as whole days since 1970-01-01. */
export const localDay = (timezone: string, at: UnixMs): number => Math.floor((at + utcOffsetMin(timezone, at) * MINUTE) / DAY);
/** YYYY-MM-DD of a day number. */
export const dateOf = (day: number): string => rfc3339(unixMs(day * DAY)).slice(0, 10);

/** First instant at which the local clock shows, or has passed, `minute` minutes after midnight of `day`. */
export function wallInstant(timezone: string, day: number, minute: number): UnixMs {
  const wall = day * DAY + minute * MINUTE;
  const offsetAt = (at: number): number => utcOffsetMin(timezone, unixMs(at)) * MINUTE;
  const before = offsetAt(wall - DAY);
  const after = offsetAt(wall + DAY);
  const candidates = [wall - before, wall - after].filter((at) => at + offsetAt(at) === wall);
  if (candidates.length > 0) return unixMs(Math.min(...candidates));
  // The clock jumped over this wall time: the first instant that has left the earlier offset.
  let low = Math.min(wall - before, wall - after) - 1;
  let high = Math.max(wall - before, wall - after);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle) === before) low = middle;
    else high = middle;
  }
  return unixMs(high);
}

interface Plan {
  raw?: readonly Occurrence[];
  occurrences?: readonly Occurrence[];
  pauses?: readonly Pause[];
}
const plans = new WeakMap<CalendarRules, Map<number, Plan>>();

function planOf(calendar: CalendarRules, day: number): Plan {
  let dates = plans.get(calendar);
  if (!dates) plans.set(calendar, dates = new Map<number, Plan>());
  let plan = dates.get(day);
  if (!plan) {
    if (dates.size >= CACHED_DATES) dates.clear();
    dates.set(day, plan = {});
  }
  return plan;
}

function span(timezone: string, day: number, times: { readonly startMinute: number; readonly endMinute: number }): { start: UnixMs; end: UnixMs } {
  const crosses = times.endMinute <= times.startMinute;
  return {
    start: wallInstant(timezone, day, times.startMinute),
    end: wallInstant(timezone, crosses ? day + 1 : day, times.endMinute),
  };
}

/** The shifts that start on a date as the pattern or the exception says, before overlaps are settled. */
function rawOccurrences(calendar: CalendarRules, day: number): readonly Occurrence[] {
  const plan = planOf(calendar, day);
  if (plan.raw) return plan.raw;
  const date = dateOf(day);
  const weekday = WEEKDAYS[((day % 7) + 7) % 7];
  const exception = calendar.exceptions.find((one) => one.date === date);
  const shifts: readonly Omit<ShiftRule, "days">[] = exception?.shifts ?? calendar.shifts.filter((shift) => shift.days.some((one) => one === weekday));
  const seen = new Map<string, number>();
  const raw = shifts.map((shift): Occurrence => {
    const nth = (seen.get(shift.code) ?? 0) + 1;
    seen.set(shift.code, nth);
    // A code used twice on a date would give two windows one identity.
    const code = nth === 1 ? shift.code : `${shift.code}#${nth}`;
    return { shiftId: `${code}@${date}`, code, date, ...span(calendar.timezone, day, shift) };
  });
  raw.sort((a, b) => a.start - b.start);
  plan.raw = raw;
  return raw;
}

/** The shifts that start on local date `day`, in order of time, not overlapping; never of no length. */
export function occurrencesOn(calendar: CalendarRules, day: number): readonly Occurrence[] {
  const plan = planOf(calendar, day);
  if (plan.occurrences) return plan.occurrences;
  let taken = rawOccurrences(calendar, day - 1).reduce<number>((latest, one) => Math.max(latest, one.end), -Infinity);
  const occurrences: Occurrence[] = [];
  for (const one of rawOccurrences(calendar, day)) {
    const start = unixMs(Math.max(one.start, taken));
    if (start < one.end) occurrences.push({ ...one, start });
    taken = Math.max(taken, one.end);
  }
  plan.occurrences = occurrences;
  return occurrences;
}

/** The breaks that start on local date `day`, cut to the shifts they fall into; one name where breaks overlap. */
export function pausesOn(calendar: CalendarRules, day: number): readonly Pause[] {
  const plan = planOf(calendar, day);
  if (plan.pauses) return plan.pauses;
  const date = WEEKDAYS[((day % 7) + 7) % 7];
  const breaks = calendar.breaks.filter((one) => one.days.some((weekday) => weekday === date))
    .map((one) => ({ name: one.name, ...span(calendar.timezone, day, one) }))
    .sort((a, b) => a.start - b.start);
  const shifts = [day - 1, day, day + 1].flatMap((one) => occurrencesOn(calendar, one));
  const pauses: Pause[] = [];
  let taken = -Infinity;
  for (const one of breaks) {
    for (const shift of shifts) {
      const start = Math.max(one.start, shift.start, taken);
      const end = Math.min(one.end, shift.end);
      if (start < end) pauses.push({ name: one.name, start: unixMs(start), end: unixMs(end) });
    }
    taken = Math.max(taken, one.end);
  }
  plan.pauses = pauses;
  return pauses;
}
