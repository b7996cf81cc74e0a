/**
 * How far a source's clock is from ours, and by which constant its stamps are moved (design.md §3). Pure; the state lies
 * in the checkpoint. The constant is decided with the first measurement of a session and stands while it lasts, or until
 * our clock is set; the offset is measured again each AGAIN_MS, for health alone.
 *
 * By a clock that is not set nothing is measured: stamps stay as they were. A step of our own clock is no error of the
 * source: one that was right before it stays as it is. A constant that would take time back is not taken: the one before
 * stands. One that jumps ahead says by how much: nobody saw that span.
 */
import type { Arrival } from "../../contract/observation.ts";
import { unixMs, type Instant, type UnixMs } from "../../contract/time.ts";
import type { TimePolicy } from "../../config/model.ts";
import { STEP_MS, steppedMs } from "./gateway-time.ts";

export interface OffsetState {
  /** Added to every stamp of this source session; null until measured. */
  readonly shiftMs: number | null;
  /** Source clock minus ours when last measured. */
  readonly offsetMs: number | null;
  readonly measuredAt: Instant | null;
  /** Of `offsetMs`, what steps of our own clock made of it. */
  readonly excusedMs: number;
  /** The constant of this session stands. */
  readonly isDecided: boolean;
  /** What the source's clock, moved, showed at an instant of ours: from there event time goes on while the source is away. */
  readonly anchor: Anchor | null;
}
export interface Anchor {
  readonly at: UnixMs;
  readonly received: Instant;
  /** By a clock that was set: what a reboot took can be told from it. */
  readonly isDated: boolean;
}
export const initialOffset: OffsetState = { shiftMs: null, offsetMs: null, measuredAt: null, excusedMs: 0, isDecided: false, anchor: null };

export interface Measuring {
  readonly policy: TimePolicy;
  readonly toleranceMs: number;
  /** The source's clock in this batch; null: it has none. */
  readonly sourceNow: UnixMs | null;
  /** Stamp of the oldest event in this batch; null: none. A source that was away serves what it kept of it. */
  readonly oldest: UnixMs | null;
  readonly caughtUp: boolean;
  readonly arrival: Arrival;
  /** Event time until which the source has told us everything. */
  readonly seen: UnixMs | null;
}
export interface Measured extends OffsetState {
  /** By so much the axis jumps ahead with a new constant; 0: it does not. */
  readonly jumpMs: number;
}

const AGAIN_MS = 60_000;

export function measureOffset(given: OffsetState, by: Measuring): Measured {
  const state = by.policy === "gateway" ? { ...given, shiftMs: 0, anchor: null } : given;
  const { sourceNow, arrival: { received, unsynchronised }, caughtUp, policy } = by;
  const before = state.shiftMs ?? 0;
  const isDecided = state.isDecided && !isStepped(state, received);
  const isDue = !isDecided || (caughtUp && isOwed(state, received));
  if (sourceNow === null || unsynchronised || !isDue) return anchored({ ...state, shiftMs: before, jumpMs: 0 }, by);
  const offsetMs = sourceNow - received.unixMs;
  const measured = { ...state, shiftMs: before, offsetMs, measuredAt: received, excusedMs: excused(state, { ...by, offsetMs }), isDecided: true, jumpMs: 0 };
  if (isDecided || policy === "gateway") return anchored(measured, by);
  const shiftMs = decided(state.shiftMs, { ...by, offsetMs, excusedMs: measured.excusedMs, sourceNow });
  return anchored({ ...measured, shiftMs, jumpMs: jumpOf(state, { ...by, shiftMs, sourceNow }) }, by);
}

/** Event time by the source's clock at `now`, while it is away; null: a reboot took a time that nobody can tell. */
export function carriedOn({ at, received, isDated }: Anchor, now: Instant, isClockSet: boolean): UnixMs | null {
  if (received.boot === now.boot) return unixMs(Math.trunc(at + now.monoMs - received.monoMs));
  return isDated && isClockSet ? unixMs(at + Math.max(0, now.unixMs - received.unixMs)) : null;
}

function anchored(measured: Measured, { sourceNow, policy, arrival: { received, unsynchronised } }: Measuring): Measured {
  if (sourceNow === null || policy === "gateway") return measured;
  return { ...measured, anchor: { at: unixMs(sourceNow + (measured.shiftMs ?? 0)), received, isDated: unsynchronised !== true } };
}

const isOwed = ({ measuredAt }: OffsetState, now: Instant): boolean => measuredAt === null || measuredAt.boot !== now.boot || now.monoMs - measuredAt.monoMs >= AGAIN_MS;
const isStepped = ({ measuredAt }: OffsetState, now: Instant): boolean => measuredAt !== null && measuredAt.boot === now.boot && Math.abs(steppedMs(measuredAt, now)) > STEP_MS;

/**
 * A source that was right and did not follow a step of our clock is as right as it was. Small steps too are remembered:
 * several of them may come to more than the tolerance.
 */
function excused(state: OffsetState, { offsetMs, toleranceMs, arrival: { received } }: Measuring & { readonly offsetMs: number }): number {
  if (state.offsetMs === null || state.measuredAt === null) return 0;
  const stepped = isStepped(state, received) ? steppedMs(state.measuredAt, received) : 0;
  const wasRight = Math.abs(state.offsetMs - state.excusedMs) <= toleranceMs;
  const stayed = stepped === 0 || (wasRight && Math.abs(offsetMs + stepped - state.offsetMs) <= toleranceMs);
  const ofSteps = stayed ? state.excusedMs - stepped : 0;
  // Right by our clock as it is now: what would make it wrong is no excuse.
  return Math.abs(offsetMs) <= toleranceMs && Math.abs(offsetMs - ofSteps) > toleranceMs ? 0 : ofSteps;
}

interface Deciding extends Measuring {
  readonly sourceNow: UnixMs;
  readonly offsetMs: number;
  readonly excusedMs: number;
}
function decided(before: number | null, { policy, toleranceMs, seen, oldest, sourceNow, offsetMs, excusedMs }: Deciding): number {
  const wanted = policy === "shifted" || (policy === "auto" && Math.abs(offsetMs - excusedMs) > toleranceMs) ? -offsetMs : 0;
  if (before === null || policy === "source") return wanted;
  // The constant of the session before still fits: keep it, so that a reconnect moves nothing.
  if (Math.abs(before - wanted) <= toleranceMs) return before;
  const earliest = Math.min(sourceNow, oldest ?? sourceNow);
  const backBy = (shift: number): number => (seen === null ? 0 : Math.max(0, seen - toleranceMs - earliest - shift));
  return backBy(wanted) > backBy(before) ? before : wanted;
}

/** Less what the source's own clock was set by since. */
function jumpOf({ shiftMs: before, anchor }: OffsetState, { seen, toleranceMs, sourceNow, shiftMs, arrival: { received } }: Measuring & { readonly sourceNow: UnixMs; readonly shiftMs: number }): number {
  // A source that had not told its clock was dated by ours, which the constant leads its stamps to.
  if (seen === null || before === null || shiftMs === before || anchor === null) return 0;
  const carried = carriedOn(anchor, received, false);
  // Where the axis was held ahead of a source that was set back, it has less to jump.
  const jumpMs = carried === null ? shiftMs - before : sourceNow + shiftMs - carried - Math.max(0, seen - anchor.at);
  return jumpMs > Math.max(toleranceMs, STEP_MS) ? jumpMs : 0;
}
