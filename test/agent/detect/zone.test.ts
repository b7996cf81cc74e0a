import { expect, test } from "vitest";
import { utcOffsetMin } from "../../../agent/detect/zone.ts";
import { unixMs } from "../../../agent/contract/time.ts";

const at = (text: string): ReturnType<typeof unixMs> => unixMs(Date.parse(text));

test.each([
  ["Europe/Paris", "2025-01-15T12:00:00Z", 60],
  ["Europe/Paris", "2025-07-15T12:00:00Z", 120],
  ["Europe/Paris", "2025-03-30T00:59:59.999Z", 60],
  ["Europe/Paris", "2025-03-30T01:00:00.000Z", 120],
  ["Europe/Paris", "2025-10-26T00:59:59.999Z", 120],
  ["Europe/Paris", "2025-10-26T01:00:00.000Z", 60],
  ["America/Chicago", "2025-11-02T05:51:10.120Z", -300],
  ["America/Chicago", "2025-11-02T07:00:00.000Z", -360],
  ["Asia/Kolkata", "2025-11-02T07:00:00.000Z", 330],
  ["Asia/Kathmandu", "2025-11-02T07:00:00.000Z", 345],
  ["Australia/Lord_Howe", "2025-10-04T15:30:00.000Z", 660],
  ["UTC", "2025-11-02T07:00:00.000Z", 0],
])("%s at %s is %i minutes east", (zone, when, minutes) => {
  expect(utcOffsetMin(zone, at(when))).toBe(minutes);
});

test("an unknown zone is refused", () => {
  expect(() => utcOffsetMin("Europe/Nowhere", at("2025-01-01T00:00:00Z"))).toThrow(RangeError);
});
