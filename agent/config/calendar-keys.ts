/** The keys of a calendar in the YAML: shifts and breaks of a week in local time, and the dates that differ. */
import type { Weekday } from "../contract/rules.ts";
import { optional, withDefault, type Of, type Path, type Problem, type Shape } from "../contract/shape.ts";
import { list, object, oneOf, text } from "../contract/shapes.ts";
import { checked, line, localDate, timeOfDay, timezone } from "./refined.ts";
import { overlapping, weekSpans } from "./week.ts";

const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const satisfies readonly Weekday[];
const WORKDAYS = ["mon", "tue", "wed", "thu", "fri"] as const satisfies readonly Weekday[];

const days = (description: string, fallback: readonly Weekday[]) =>
  withDefault(list(oneOf(WEEKDAYS), { description, minItems: 1, maxItems: 7 }), fallback);
const code = (): Shape<string> => text({
  description: "the shift's code, as the ERP has it", pattern: /^[^\p{Cc}@]{1,32}$/u, expected: "a code of 1 to 32 characters without @",
});

const SHIFT = object({
  code: code(),
  start: timeOfDay("local time at which it starts"),
  end: timeOfDay("local time at which it ends; at or before the start: on the next day"),
  days: days("days on which it starts", WORKDAYS),
});

const BREAK = checked(object({
  name: line("what it is"),
  start: timeOfDay("local time at which it starts"),
  end: timeOfDay("local time at which it ends"),
  days: days("days on which it starts; a break counts only inside a shift", WEEKDAYS),
}), (value, path, problems) => {
  if (value.start === value.end) problems.push({ path: [...path, "end"], on: "value", found: "a break that ends when it starts", expected: "an end after the start" });
});

const EXCEPTION = checked(object({
  date: localDate("the local date on which the shifts would start"),
  name: line("why this date differs: a holiday, a shutdown, overtime"),
  shifts: withDefault(list(object({
    code: code(), start: timeOfDay("local time at which it starts"), end: timeOfDay("local time at which it ends"),
  }), { description: "the shifts of this date instead of the week's; none: closed", maxItems: 24 }), []),
}), (value, path, problems) => {
  apart(value.shifts.map((shift) => ({ ...shift, days: ["mon"] as const })), [...path, "shifts"], problems);
});

// The checks sit at the lists, so that a wrong zone or break hides nothing about the shifts.
const SHIFTS = checked(list(SHIFT, { description: "the week's shifts; they must not overlap", minItems: 1, maxItems: 100 }), apart);
const EXCEPTIONS = checked(list(EXCEPTION, { description: "dates that differ from the week", maxItems: 2000 }), (value, path, problems) => {
  const dates = new Set<string>();
  value.forEach(({ date }, index) => {
    if (dates.has(date)) problems.push({ path: [...path, index, "date"], on: "value", found: `the date ${date} for the second time`, expected: "each date once, with all its shifts" });
    dates.add(date);
  });
});

export const CALENDAR_KEYS = object({
  timezone: optional(timezone("zone of the shifts' times; default: the agent's")),
  shifts: SHIFTS,
  breaks: withDefault(list(BREAK, { description: "planned breaks", maxItems: 100 }), []),
  exceptions: withDefault(EXCEPTIONS, []),
  break_mode: withDefault(oneOf(["strict", "credit"], "credit: a break in which the machine ran counts as production; strict: it stays planned time"), "credit"),
}, "shifts, breaks and the dates that differ");

export type CalendarKeys = Of<typeof CALENDAR_KEYS>;
interface Placed {
  readonly code: string;
  readonly start: number;
  readonly end: number;
  readonly days: readonly Weekday[];
}

/** One shift at a time, and one of each code a day: `code@date` names a shift in records. */
function apart(shifts: readonly Placed[], path: Path, problems: Problem[]): void {
  shifts.forEach((shift, index) => {
    const earlier = shifts.slice(0, index);
    const twin = earlier.find((other) => other.code === shift.code && other.days.some((day) => shift.days.includes(day)));
    if (twin) {
      problems.push({ path: [...path, index, "code"], on: "value", found: `the code ${JSON.stringify(shift.code)} twice on one day`, expected: "each code once a day: records name a shift by code and date" });
      return;
    }
    const other = earlier.find((one) => overlapping(weekSpans(one), weekSpans(shift)));
    if (other) problems.push({ path: [...path, index, "start"], on: "value", found: `a shift that overlaps shift ${JSON.stringify(other.code)}`, expected: "shifts that follow each other" });
  });
}

/** Breaks that lie outside all of the week's shifts: they never count. */
export function idleBreaks(calendar: CalendarKeys): readonly number[] {
  const shifts = [...calendar.shifts, ...calendar.exceptions.flatMap(({ shifts }) => shifts.map((shift) => ({ ...shift, days: WEEKDAYS })))].flatMap(weekSpans);
  return calendar.breaks.flatMap((pause, index) => (overlapping(weekSpans(pause), shifts) ? [] : [index]));
}
