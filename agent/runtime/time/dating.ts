/**
 * What the dates of a machine's records rest on, and where its event time stands while its source is away. Pure. Event
 * time then goes on by time since boot, never by the wall clock, which may be set meanwhile; only what a reboot took is
 * told by the wall clock, if that was set before and after.
 */
import type { ClockDoubt } from "../../contract/outbox.ts";
import { unixMs, type Instant, type UnixMs } from "../../contract/time.ts";
import { isSet, type ClockTrustState } from "./clock-trust.ts";
import { isShifted, placeGateway, steppedMs } from "./gateway-time.ts";
import { stampClock } from "./source-clock.ts";
import { carriedOn } from "./source-offset.ts";
import type { StampState } from "./stamp-state.ts";

/** Event time at `now` while the source is away; null: a reboot took a time that our clock, which is not set, cannot tell. */
export function eventNow(state: StampState, now: Instant, isClockSet: boolean): UnixMs | null {
  const { anchor, gateway } = state;
  if (anchor !== null) {
    const carried = carriedOn(anchor, now, isClockSet);
    return carried && stampClock(state, carried);
  }
  return isClockSet || gateway?.boot === now.boot ? placeGateway(gateway, now).at : null;
}

/** Why `data` of these records is not dated by a clock to be trusted as it is; null: it is. */
export function clockDoubt(state: StampState, records: readonly { readonly start: UnixMs }[]): ClockDoubt | null {
  const { undatedThrough, gateway, anchor, shiftMs } = state;
  if (undatedThrough !== null && records.some(({ start }) => start <= undatedThrough)) return "unsynchronised";
  if (shiftMs !== null && shiftMs !== 0) return "shifted";
  return anchor === null && gateway !== null && isShifted(gateway) ? "shifted" : null;
}

/** When that was, by the clock as it is set now; moved by whole seconds, so that it is the same each time. */
export const startOf = (start: Instant, now: Instant): UnixMs => unixMs(start.unixMs + Math.round(steppedMs(start, now) / 1_000) * 1_000);
/** A clock that is not set dates no beginning; what goes on from something seen needs none, once nothing waits for the clock. */
export const isDatable = ({ axis }: StampState, clock: ClockTrustState): boolean => isSet(clock) || (clock !== "waiting" && axis !== null);
