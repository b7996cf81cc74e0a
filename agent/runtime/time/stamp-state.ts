/**
 * Where a source's readings stand on their machine's event-time axis: plain JSON, kept in the checkpoint, so that a
 * restart goes on exactly. Moved by stamp.ts alone, except for what time or a new session changes. Pure.
 */
import type { GapReason, Observation, Reading } from "../../contract/observation.ts";
import { unixMs, type UnixMs } from "../../contract/time.ts";
import type { TimePolicy } from "../../config/model.ts";
import type { GatewayTime } from "./gateway-time.ts";
import type { Silence } from "./silence.ts";
import { initialOffset, type OffsetState } from "./source-offset.ts";

/** Observations of one instant may come in several documents: time alone concludes nothing until this long after it. */
export const SETTLE_MS = 1_000;

export interface StampSettings {
  readonly machine: string;
  readonly source: string;
  readonly policy: TimePolicy;
  readonly toleranceMs: number;
}

/**
 * What is not handed on yet. Where it is cut off, by a document or a kill, must not show: so readings are together only
 * when they carry one stamp and follow each other; the accompanying ones among them are an event of their own, after it.
 */
export interface Pending {
  readonly at: UnixMs;
  /** Of the deciding readings, before clamping; null when there are none. */
  readonly stamp: UnixMs | null;
  readonly items: readonly Observation[];
  readonly trailing: readonly Observation[];
}

export interface StampState extends OffsetState {
  /** Newest event time handed to the detectors. */
  readonly axis: UnixMs | null;
  readonly pending: Pending | null;
  /** Where the initial values that follow a gap stand; null: at their document's time, or at the newest of their stamps. */
  readonly initialAt: UnixMs | null;
  /** By our own clock: when we began to look and found nothing but UNAVAILABLE. */
  readonly openedAt: UnixMs | null;
  /** Our own clock when the last batch came, and where that lay on the axis. */
  readonly gateway: GatewayTime | null;
  /** Newest event time that our own clock gave while it was not set. */
  readonly undatedThrough: UnixMs | null;
  /** How far the clock that stamps lags the document's, as live observations show it: adapters' clocks differ from their agent's. */
  readonly lagMs: number | null;
  /** False while `lagMs` is only what the first documents suggest. */
  readonly lagIsLive: boolean;
  /** The document before this one held everything there was: what is new now is live. */
  readonly following: boolean;
  /** Event time until which the source has told us everything. */
  readonly seen: UnixMs | null;
  /** Last value of each item, to go on from after a gap without loss. Bounded by KNOWN_LIMIT. */
  readonly known: Readonly<Record<string, Reading>>;
  /** Before this session, while it is not known whether anything happened in it. */
  readonly silence: Silence | null;
  /** True from a gap that we declared until the source is back and caught up. */
  readonly blind: boolean;
  /** Event time of the return, while what the source still holds of the hole is skipped. */
  readonly returnAt: UnixMs | null;
  /** Readings of holes that came too late to be used, ever. */
  readonly late: number;
}

export const initialStamp: StampState = {
  ...initialOffset, axis: null, pending: null, initialAt: null, openedAt: null, gateway: null, undatedThrough: null, lagMs: null, lagIsLive: false, following: false, seen: null, known: {}, silence: null, blind: false, returnAt: null, late: 0,
};

/** Event time up to which time alone may conclude something; null while the source is behind or silent about its clock. */
export function settledThrough(state: StampState): UnixMs | null {
  return state.seen === null || state.pending !== null ? null : unixMs(state.seen - SETTLE_MS);
}

/** Time alone concluded something that was due at `at`: nothing earlier may follow. */
export const ticked = (state: StampState, at: UnixMs): StampState => ({ ...state, axis: later(state.axis, at) });
/** A new session measures the source's clock again; `reason`: of the silence before it. */
export const newSession = (state: StampState, reason: GapReason = "link-down"): StampState =>
  ({ ...state, isDecided: false, following: false, returnAt: null, silence: state.silence ?? { since: state.seen, reason } });

export function later(axis: UnixMs | null, at: UnixMs): UnixMs {
  return axis !== null && axis > at ? axis : at;
}
