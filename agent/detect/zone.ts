/**
 * The offset of a time zone at an instant: a pure function of its two arguments, from the zone data built into Node.
 * It keeps what it has worked out (one formatter a zone, the answers for some quarters of an hour), because records ask
 * for it at every change, of their start and of now. Offsets are whole minutes and change on quarters of an hour, as they
 * have everywhere since 1972; zones are bounded by the configuration.
 */
import { InvariantError } from "../contract/errors.ts";
import type { UnixMs } from "../contract/time.ts";

const QUARTER_MS = 900_000;
const OFFSET = /GMT(?:([+-])(\d{2}):(\d{2}))?/;

/** More than the open records of a gateway's machines began in; beyond, all are worked out anew. */
const QUARTERS = 64;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  /** Minutes, by quarter of an hour. */
  readonly offsets: Map<number, number>;
}
const zones = new Map<string, Zone>();

/** Minutes east of UTC in the IANA zone `timezone` at `at`. Throws RangeError for a zone that Node does not know. */
export function utcOffsetMin(timezone: string, at: UnixMs): number {
  const zone = zones.get(timezone) ?? open(timezone);
  const quarter = Math.floor(at / QUARTER_MS);
  const known = zone.offsets.get(quarter);
  if (known !== undefined) return known;
  if (zone.offsets.size === QUARTERS) zone.offsets.clear();
  const offsetMin = read(zone.format, at);
  zone.offsets.set(quarter, offsetMin);
  return offsetMin;
}

function open(timezone: string): Zone {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: timezone, timeZoneName: "longOffset" });
  const zone = { format, offsets: new Map<number, number>() };
  zones.set(timezone, zone);
  return zone;
}

function read(format: Intl.DateTimeFormat, at: UnixMs): number {
  const match = OFFSET.exec(format.format(at));
  if (!match) throw new InvariantError(`Node shows no offset for ${format.resolvedOptions().timeZone} at ${at}`);
  const minutes = Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0);
  return match[1] === "-" ? -minutes : minutes;
}
