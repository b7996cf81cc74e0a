/**
 * Event time of what only this machine's clock can date (design.md §3): wall time at an anchor, carried on by time since
 * boot, so that a step of the wall clock is never taken for time that passed. Pure; the state lies in the checkpoint.
 *
 * Forward step: the span that was jumped over is a gap, because no time passed in it that anything could have happened in.
 * Backward step: what was dated stays dated and the axis goes on ahead of the wall clock, by a constant that melts at
 * SLEW; until it has, the dates are called shifted. Both beyond STEP_MS; less is quartz against network time, and melts.
 */
import { unixMs, type Instant, type UnixMs } from "../../contract/time.ts";

export interface GatewayTime extends Instant {
  /** Event time minus wall time. */
  readonly aheadMs: number;
}
export interface Placed {
  readonly time: GatewayTime;
  readonly at: UnixMs;
  /** Jumped over by a forward step, up to `at`; null when there was none. */
  readonly jumpedFrom: UnixMs | null;
}

/** A clock that is right steps less than this. */
export const STEP_MS = 1_000;
/** What NTP itself allows a clock to be slewed by: half a millisecond in a second changes no duration that anybody is paid for. */
const SLEW = 0.0005;

/** Where `now` lies on the axis, given where the axis was last. `last` is null at the very first. */
export function placeGateway(last: GatewayTime | null, now: Instant): Placed {
  const ahead = last === null ? 0 : aheadOf(last, now);
  const { unixMs: wall, monoMs, boot } = now;
  if (ahead < -STEP_MS) return { time: { unixMs: wall, monoMs, boot, aheadMs: 0 }, at: wall, jumpedFrom: unixMs(Math.trunc(wall + ahead)) };
  const passedMs = last !== null && last.boot === boot ? monoMs - last.monoMs : 0;
  const aheadMs = Math.sign(ahead) * Math.max(0, Math.abs(ahead) - Math.max(0, passedMs) * SLEW);
  return { time: { unixMs: wall, monoMs, boot, aheadMs }, at: unixMs(Math.trunc(wall + aheadMs)), jumpedFrom: null };
}

/** By how much the wall clock was set between two instants of one boot; a few milliseconds are none. */
export const steppedMs = (from: Instant, to: Instant): number => to.unixMs - from.unixMs - (to.monoMs - from.monoMs);

/**
 * Before any of it melts. What a reboot took only the wall clock can tell: it is believed, with the lead that it had, or
 * without where it has caught up with the axis meanwhile. Where it shows less than before, time goes on from where it was.
 */
function aheadOf(last: GatewayTime, now: Instant): number {
  if (last.boot === now.boot) return last.aheadMs - steppedMs(last, now);
  const missingMs = last.unixMs + last.aheadMs - now.unixMs;
  return missingMs <= 0 ? 0 : Math.max(last.aheadMs, missingMs);
}

/** True while dates are ahead of the wall clock by more than a clock's own error. */
export const isShifted = ({ aheadMs }: GatewayTime): boolean => Math.abs(aheadMs) > STEP_MS;
