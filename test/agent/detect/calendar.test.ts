import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BreakRule, CalendarRules, ShiftRule, Weekday } from "../../../agent/contract/rules.ts";
import { rfc3339, unixMs, type UnixMs } from "../../../agent/contract/time.ts";
import { nextBoundaryAfter, occurrenceAt, occurrencesBetween, pauseAt, piecesBetween, scheduledAt } from "../../../agent/detect/calendar.ts";
import { wallInstant } from "../../../agent/detect/calendar-day.ts";

const ALL: readonly Weekday[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const WORKDAYS: readonly Weekday[] = ["mon", "tue", "wed", "thu", "fri"];
const minute = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));
const shift = (code: string, start: string, end: string, days = ALL): ShiftRule => ({ code, startMinute: minute(start), endMinute: minute(end), days });
const pause = (name: string, start: string, end: string, days = ALL): BreakRule => ({ name, startMinute: minute(start), endMinute: minute(end), days });
const calendar = (timezone: string, shifts: readonly ShiftRule[], more: Partial<CalendarRules> = {}): CalendarRules =>
  ({ name: "test", version: "v1", timezone, shifts, breaks: [], exceptions: [], breakMode: "strict", ...more });
const at = (text: string): UnixMs => unixMs(Date.parse(text));
const short = (when: UnixMs): string => rfc3339(when).slice(0, 16);
const rows = (of: CalendarRules, from: string, to: string): string[] =>
  occurrencesBetween(of, at(from), at(to)).map((one) => `${one.shiftId} ${short(one.start)} ${short(one.end)} ${(one.end - one.start) / 60_000} min`);

const PARIS = "Europe/Paris";
const CHICAGO = "America/Chicago";

describe("a wall time becomes one instant", () => {
  const day = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 86_400_000;
  it.each([
    // zone, local date and time, instant, why
    [PARIS, "2026-07-01", "06:00", "2026-07-01T04:00", "summer"],
    [PARIS, "2026-01-05", "06:00", "2026-01-05T05:00", "winter"],
    [PARIS, "2026-03-29", "01:59", "2026-03-29T00:59", "last minute before the jump"],
    [PARIS, "2026-03-29", "02:30", "2026-03-29T01:00", "never comes: the moment of the jump"],
    [PARIS, "2026-03-29", "03:00", "2026-03-29T01:00", "first minute after the jump"],
    [PARIS, "2026-10-25", "02:30", "2026-10-25T00:30", "comes twice: the first"],
    [PARIS, "2026-10-25", "03:00", "2026-10-25T02:00", "after both"],
    [CHICAGO, "2026-03-08", "02:30", "2026-03-08T08:00", "never comes"],
    [CHICAGO, "2026-11-01", "01:30", "2026-11-01T06:30", "comes twice: the first (pitfall 11)"],
    [CHICAGO, "2026-11-01", "02:00", "2026-11-01T08:00", "after both"],
    ["Asia/Kathmandu", "2026-01-05", "06:00", "2026-01-05T00:15", "offset of 5 h 45"],
    ["Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30", "a jump of half an hour"],
    ["Pacific/Apia", "2011-12-30", "06:00", "2011-12-30T10:00", "a date that never was"],
  ])("%s %s %s is %sZ (%s)", (zone, date, clock, expected) => {
    expect(short(wallInstant(zone, day(date), minute(clock)))).toBe(expected);
  });
});

describe("shift occurrences", () => {
  it("crosses midnight and keeps the date on which it starts", () => {
    const nights = calendar(PARIS, [shift("N", "22:00", "06:00", ["fri"])]);
    expect(rows(nights, "2026-01-05T00:00Z", "2026-01-12T00:00Z")).toEqual(["N@2026-01-09 2026-01-09T21:00 2026-01-10T05:00 480 min"]);
    expect(occurrenceAt(nights, at("2026-01-10T04:59Z"))?.date).toBe("2026-01-09");
    expect(occurrenceAt(nights, at("2026-01-10T05:00Z"))).toBeNull();
  });

  it.each([
    [PARIS, "2026-03-28", 420, "clock goes forward: a night of 7 h (pitfall 12)"],
    [PARIS, "2026-10-24", 540, "clock goes back: a night of 9 h (pitfall 11)"],
    [CHICAGO, "2026-03-07", 420, "clock goes forward"],
    [CHICAGO, "2026-10-31", 540, "clock goes back"],
  ])("%s night of %s lasts %i min (%s)", (zone, date, length) => {
    const nights = calendar(zone, [shift("N", "22:00", "06:00")]);
    const noon = at(`${date}T12:00Z`);
    const night = occurrencesBetween(nights, noon, unixMs(noon + 86_400_000)).find((one) => one.date === date);
    expect(night && (night.end - night.start) / 60_000).toBe(length);
  });

  it("three shifts tile a day of 23 h and one of 25 h without hole or overlap", () => {
    const three = calendar(PARIS, [shift("A", "06:00", "14:00"), shift("B", "14:00", "22:00"), shift("C", "22:00", "06:00")]);
    for (const [from, to] of [["2026-03-27T05:00Z", "2026-03-31T04:00Z"], ["2026-10-23T04:00Z", "2026-10-27T05:00Z"]] as const) {
      const found = occurrencesBetween(three, at(from), at(to));
      expect(found[0]?.start).toBe(at(from));
      expect(found.at(-1)?.end).toBe(at(to));
      found.slice(1).forEach((one, index) => expect(one.start).toBe(found[index]?.end));
    }
  });

  it("a boundary inside the hour that comes twice is the same for the shift that ends and the one that begins", () => {
    const two = calendar(CHICAGO, [shift("A", "18:00", "01:30"), shift("B", "01:30", "09:00")]);
    expect(rows(two, "2026-10-31T23:00Z", "2026-11-01T15:00Z")).toEqual([
      "A@2026-10-31 2026-10-31T23:00 2026-11-01T06:30 450 min",
      "B@2026-11-01 2026-11-01T06:30 2026-11-01T15:00 510 min",
    ]);
  });

  it("a shift that would begin and end inside the hour that never comes does not exist", () => {
    expect(rows(calendar(PARIS, [shift("A", "02:10", "02:50")]), "2026-03-28T12:00Z", "2026-03-29T12:00Z")).toEqual([]);
  });

  it("a closed day drops its shifts, an overtime day replaces them", () => {
    const plant = calendar(PARIS, [shift("A", "06:00", "14:00", WORKDAYS)], {
      exceptions: [
        { date: "2026-01-06", name: "Epiphany", shifts: [] },
        { date: "2026-01-10", name: "overtime", shifts: [{ code: "OT", startMinute: minute("06:00"), endMinute: minute("12:00") }] },
      ],
    });
    expect(rows(plant, "2026-01-05T00:00Z", "2026-01-12T00:00Z").map((row) => row.split(" ")[0])).toEqual(
      ["A@2026-01-05", "A@2026-01-07", "A@2026-01-08", "A@2026-01-09", "OT@2026-01-10"]);
  });

  it("overlapping shifts: the one that started first keeps the time, nothing is lost or doubled", () => {
    const overlapping = calendar("UTC", [shift("A", "06:00", "14:30"), shift("B", "14:00", "22:30"), shift("nested", "08:00", "09:00")]);
    expect(rows(overlapping, "2026-01-05T06:00Z", "2026-01-05T22:30Z")).toEqual([
      "A@2026-01-05 2026-01-05T06:00 2026-01-05T14:30 510 min",
      "B@2026-01-05 2026-01-05T14:30 2026-01-05T22:30 480 min",
    ]);
  });

  it("a night that overlaps the next morning takes precedence over it, across dates", () => {
    const two = calendar("UTC", [shift("N", "22:00", "07:00"), shift("A", "06:00", "14:00")]);
    expect(rows(two, "2026-01-05T22:00Z", "2026-01-06T14:00Z").map((row) => row.slice(0, 45))).toEqual([
      "N@2026-01-05 2026-01-05T22:00 2026-01-06T07:00".slice(0, 45),
      "A@2026-01-06 2026-01-06T07:00 2026-01-06T14:00".slice(0, 45),
    ]);
  });

  it("one code twice on a date gives two identities", () => {
    const split = calendar("UTC", [shift("A", "06:00", "10:00"), shift("A", "14:00", "18:00")]);
    expect(rows(split, "2026-01-05T00:00Z", "2026-01-06T00:00Z").map((row) => row.split(" ")[0])).toEqual(["A@2026-01-05", "A#2@2026-01-05"]);
  });
});

describe("planned breaks", () => {
  const day = calendar(PARIS, [shift("A", "06:00", "14:00", WORKDAYS)], { breaks: [pause("meal", "12:00", "12:30"), pause("late", "13:50", "14:10")] });
  it("count only inside a shift", () => {
    expect(pauseAt(day, at("2026-01-05T11:15Z"))?.name).toBe("meal");
    expect(pauseAt(day, at("2026-01-05T11:30Z"))).toBeNull();
    expect(pauseAt(day, at("2026-01-05T13:05Z"))).toBeNull();
    expect(pauseAt(day, at("2026-01-04T11:15Z"))).toBeNull();
  });
  it("cut a day into pieces", () => {
    const pieces = [...piecesBetween(day, at("2026-01-05T04:00Z"), at("2026-01-05T15:00Z"))];
    expect(pieces.map((one) => `${short(one.from).slice(11)} ${one.occurrence?.code ?? "-"} ${one.pause ?? "-"}`)).toEqual(
      ["04:00 - -", "05:00 A -", "11:00 A meal", "11:30 A -", "12:50 A late", "13:00 - -"]);
  });
});

describe("the next boundary", () => {
  it("crosses a shutdown, however long, and ends where the calendar is empty", () => {
    const closed = Array.from({ length: 30 }, (_, index) => ({ date: rfc3339(unixMs(at("2026-08-01T00:00Z") + index * 86_400_000)).slice(0, 10), name: "summer", shifts: [] }));
    const plant = calendar(PARIS, [shift("A", "06:00", "14:00", ["mon"])], { exceptions: closed });
    expect(nextBoundaryAfter(plant, at("2026-07-30T00:00Z"))).toBe(at("2026-08-31T04:00Z"));
    expect(nextBoundaryAfter(calendar(PARIS, []), at("2026-07-30T00:00Z"))).toBeNull();
  });
  it("finds a single overtime day months ahead of an otherwise empty calendar", () => {
    const once = calendar("UTC", [], { exceptions: [{ date: "2027-05-01", name: "inventory", shifts: [{ code: "I", startMinute: 480, endMinute: 960 }] }] });
    expect(nextBoundaryAfter(once, at("2026-01-01T00:00Z"))).toBe(at("2027-05-01T08:00Z"));
  });
  it("without a calendar all time is scheduled", () => expect(scheduledAt(null, at("2026-01-01T03:00Z"))).toBe(true));
});

describe("any calendar", () => {
  const clock = fc.integer({ min: 0, max: 1439 });
  const days = fc.subarray([...ALL], { minLength: 1 });
  const anyCalendar = fc.record({
    zone: fc.constantFrom(PARIS, CHICAGO, "UTC", "Australia/Lord_Howe", "America/Santiago", "Asia/Tehran"),
    shifts: fc.array(fc.record({ code: fc.constantFrom("A", "B", "C"), startMinute: clock, endMinute: clock, days }), { maxLength: 4 }),
    breaks: fc.array(fc.record({ name: fc.constantFrom("meal", "rest"), startMinute: clock, endMinute: clock, days }), { maxLength: 3 }),
  }).map((one) => calendar(one.zone, one.shifts, { breaks: one.breaks }));
  const anyInstant = fc.constantFrom("2026-03-07T00:00Z", "2026-03-28T00:00Z", "2026-04-04T00:00Z", "2026-10-03T00:00Z", "2026-10-24T00:00Z", "2026-10-31T00:00Z")
    .chain((text) => fc.integer({ min: 0, max: 3 * 86_400_000 }).map((more) => unixMs(at(text) + more)));

  it("pieces tile time, shifts do not overlap, breaks lie in shifts, lookups agree", () => {
    fc.assert(fc.property(anyCalendar, anyInstant, (of, from) => {
      const to = unixMs(from + 3 * 86_400_000);
      let last: UnixMs = from;
      for (const piece of piecesBetween(of, from, to)) {
        expect(piece.from).toBe(last);
        expect(piece.to).toBeGreaterThan(piece.from);
        const middle = unixMs(Math.floor((piece.from + piece.to) / 2));
        expect(occurrenceAt(of, middle)?.shiftId).toBe(piece.occurrence?.shiftId);
        expect(pauseAt(of, middle)?.name ?? null).toBe(piece.pause);
        expect(piece.pause !== null && piece.occurrence === null).toBe(false);
        last = piece.to;
      }
      expect(last).toBe(to);
      const found = occurrencesBetween(of, from, to);
      found.slice(1).forEach((one, index) => expect(one.start).toBeGreaterThanOrEqual(found[index]?.end ?? NaN));
      expect(new Set(found.map((one) => one.shiftId)).size).toBe(found.length);
    }), { numRuns: 150 });
  });
});
