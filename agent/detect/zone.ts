/**
 * The offset of a time zone at an instant: a pure function of its two arguments, from the zone data built into Node.
 * It keeps what it has worked out (one formatter a zone, the answer for one quarter of an hour), because records ask
 * for it at every change. Offsets are whole minutes and change on quarters of an hour, as they have everywhere
 * since 1972; zones are bounded by the configuration.
 */
import { InvariantError } from "../contract/errors.ts";
import type { UnixMs } from "../contract/time.ts";

const QUARTER_MS = 900_000;
const OFFSET = /GMT(?:([+-])(\d{2}):(\d{2}))?/;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  quarter: number;
  offsetMin: number;
}
const zones = new Map<string, Zone>();

/** Minutes east of UTC in the IANA zone `timezone` at `at`. Throws RangeError for a zone that Node does not know. */
export function utcOffsetMin(timezone: string, at: UnixMs): number {
  const zone = zones.get(timezone) ?? open(timezone);
  const quarter = Math.floor(at / QUARTER_MS);
  if (zone.quarter !== quarter) {
    zone.offsetMin = read(zone.format, at);
    zone.quarter = quarter;
  }
  return zone.offsetMin;
}

function open(timezone: string): Zone {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: timezone, timeZoneName: "longOffset" });
  const zone = { format, quarter: Number.NaN, offsetMin: 0 };
  zones.set(timezone, zone);
  return zone;
}

function read(format: Intl.DateTimeFormat, at: UnixMs): number {
  const match = OFFSET.exec(format.format(at));
  if (!match) throw new InvariantError(`Node shows no offset for ${format.resolvedOptions().timeZone} at ${at}`);
  const minutes = Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0);
  return match[1] === "-" ? -minutes : minutes;
}
