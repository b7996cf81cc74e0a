/**
 * MTConnect timestamps (mtconnect.md §8): ISO 8601 with 0 to 7 and more fractional digits, normally with Z. Cut to the
 * millisecond, never rounded, so that a stamp keeps its order. Without Z, UTC is meant.
 */
import { unixMs, type UnixMs } from "../../../agent/contract/time.ts";

const digits = (text: string, from: number, count: number): number => {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
};

const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Start of the day that the text begins with, in ms; NaN when it is none. What follows each other is mostly of one day: the last is kept. */
function dayMs(text: string): number {
  const day = text.slice(0, 10);
  if (day !== last.day) last = { day, ms: msOf(day) };
  return last.ms;
}
let last = { day: "", ms: Number.NaN };

function msOf(text: string): number {
  const year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  if (text[4] !== "-" || text[7] !== "-" || !(day >= 1 && day <= (DAYS[month - 1] ?? 0))) return Number.NaN;
  return Date.UTC(year, month - 1, day);
}

/** Null when the text is no time. */
export function decodeTimestamp(text: string): UnixMs | null {
  const hours = digits(text, 11, 2), minutes = digits(text, 14, 2), seconds = digits(text, 17, 2);
  if (text[10] !== "T" || text[13] !== ":" || text[16] !== ":" || !(hours <= 24 && minutes <= 59 && seconds <= 60)) return null;
  let at = 19;
  let fraction = 0;
  if (text[at] === ".") {
    let scale = 100;
    for (at++; at < text.length; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      fraction += digit * scale;
      scale = scale === 1 ? 0 : scale / 10;
    }
  }
  const zone = at === text.length || (text[at] === "Z" && at + 1 === text.length) ? 0 : offsetMs(text.slice(at));
  const value = dayMs(text) + ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction - zone;
  return Number.isNaN(value) ? null : unixMs(value);
}

function offsetMs(text: string): number {
  const match = /^([+-])(\d\d):?(\d\d)$/u.exec(text);
  return match ? (match[1] === "-" ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3])) * 60_000 : Number.NaN;
}
