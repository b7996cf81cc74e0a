/**
 * Puts a source's readings on its machine's event-time axis (design.md §3) and groups what became true at one instant.
 * Pure: a batch in, events out; the state is plain JSON and lies in the checkpoint, so that a restart goes on exactly.
 *
 *   readings ─► placed (source stamp, shifted by one constant, or the gateway's) ─► grouped by instant ─► events
 *
 * A group is handed on when a later instant follows, or when the source says that it has nothing newer. Only deciding
 * signals move the axis. The axis never goes back: a stamp that does is clamped to it and marked (mtconnect.md §8).
 * After a gap that we declared ourselves (the hold ran out), what the source then serves of the hole is only counted;
 * its last values become true at the instant of the return.
 */
import { DECIDING_SIGNALS, type Arrival, type Batch, type Gap, type GapReason, type Observation, type Reading } from "../contract/observation.ts";
import type { MachineEvent } from "../contract/detector.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import type { TimePolicy } from "../config/model.ts";

export interface StampSettings {
  readonly machine: string;
  readonly source: string;
  readonly policy: TimePolicy;
  readonly toleranceMs: number;
}

export interface StampState {
  /** Newest event time handed to the detectors. */
  readonly axis: UnixMs | null;
  readonly pending: { readonly at: UnixMs; readonly items: readonly Observation[] } | null;
  /** Where the initial values that follow a gap stand; null: at their document's time, or at the newest of their stamps. */
  readonly initialAt: UnixMs | null;
  /** Added to every stamp of this source session; null until measured. */
  readonly shiftMs: number | null;
  /** Source clock minus ours when last measured. */
  readonly offsetMs: number | null;
  /** How far the newest stamp lags the document that brings it, at least: adapters' clocks differ from their agent's. */
  readonly lagMs: number | null;
  /** Event time until which the source has told us everything. */
  readonly seen: UnixMs | null;
  /** Last value of each item, to go on from after a gap without loss. Bounded by KNOWN_LIMIT. */
  readonly known: Readonly<Record<string, Reading>>;
  /** True from a gap that we declared until the source is back and caught up. */
  readonly blind: boolean;
  /** Event time of the return, while what the source still holds of the hole is skipped. */
  readonly returnAt: UnixMs | null;
  /** Readings of holes that came too late to be used, ever. */
  readonly late: number;
}

export const initialStamp: StampState = {
  axis: null, pending: null, initialAt: null, shiftMs: null, offsetMs: null, lagMs: null, seen: null, known: {}, blind: false, returnAt: null, late: 0,
};

/** More items than any control has; what lies beyond is not remembered over a gap. */
const KNOWN_LIMIT = 2_000;
/** Observations of one instant may come in several documents: time alone concludes nothing until this long after it. */
const SETTLE_MS = 1_000;

const deciding: ReadonlySet<string> = new Set(DECIDING_SIGNALS);
const keyOf = (reading: Reading): string => `${reading.signal}|${reading.item ?? ""}|${reading.path ?? ""}`;
type Mutable = { -readonly [K in Exclude<keyof StampState, "pending" | "known">]: StampState[K] };
/** What one call changes. Its group and its map are its own copies, so that appending costs nothing and the state given stays as it was. */
interface Draft extends Mutable {
  pending: { readonly at: UnixMs; readonly items: Observation[] } | null;
  known: Record<string, Reading>;
  readonly events: MachineEvent[];
}
const draftOf = (state: StampState): Draft => ({
  ...state, pending: state.pending && { at: state.pending.at, items: [...state.pending.items] }, known: { ...state.known }, events: [],
});

/** Event time up to which time alone may conclude something; null while the source is behind or silent about its clock. */
export function settledThrough(state: StampState): UnixMs | null {
  return state.seen === null || state.pending !== null ? null : unixMs(state.seen - SETTLE_MS);
}

/** One batch → the events it completes. */
export function stampBatch(settings: StampSettings, state: StampState, batch: Batch, arrival: Arrival): readonly [StampState, readonly MachineEvent[]] {
  const draft = draftOf(state);
  const received = arrival.received.unixMs;
  measure(settings, draft, batch, received);
  const documentTime = batch.sourceNow !== undefined && settings.policy !== "gateway" ? unixMs(batch.sourceNow + (draft.shiftMs ?? 0)) : received;
  if (draft.blind && draft.returnAt === null && (batch.items.length > 0 || batch.caughtUp)) draft.returnAt = later(draft.axis, documentTime);
  const initialAt = batch.caughtUp ? documentTime : newestInitial(batch, draft.shiftMs ?? 0);
  for (const item of batch.items) {
    if (item.kind === "gap") takeGap(settings, draft, item);
    else takeReading(settings, draft, item, { initialAt, received });
  }
  if (batch.caughtUp) {
    measureLag(draft, batch, settings);
    endReturn(settings, draft);
    flush(settings, draft);
    draft.seen = later(draft.axis, unixMs(documentTime - Math.max(0, draft.lagMs ?? 0)));
    draft.initialAt = null;
  } else if (batch.items.length > 0) draft.seen = draft.axis;
  const { events, ...next } = draft;
  return [next, events];
}

/** The hold has run out: from `at` on nothing is known. */
export function declareGap(settings: StampSettings, state: StampState, at: UnixMs, reason: GapReason): readonly [StampState, readonly MachineEvent[]] {
  const draft = draftOf(state);
  flush(settings, draft);
  const from = later(draft.axis, at);
  draft.events.push({ kind: "gap", at: from, source: settings.source, gap: { kind: "gap", reason, from } });
  draft.axis = from;
  draft.seen = from;
  draft.blind = true;
  draft.returnAt = null;
  const { events, ...next } = draft;
  return [next, events];
}

/** The detectors were given a tick at `at`: nothing earlier may follow. */
export const ticked = (state: StampState, at: UnixMs): StampState => ({ ...state, axis: later(state.axis, at) });
/** A new session measures the source's clock again. */
export const newSession = (state: StampState): StampState => ({ ...state, offsetMs: null, returnAt: null });

function later(axis: UnixMs | null, at: UnixMs): UnixMs {
  return axis !== null && axis > at ? axis : at;
}

function measure(settings: StampSettings, draft: Draft, batch: Batch, received: UnixMs): void {
  if (batch.sourceNow === undefined || draft.offsetMs !== null) {
    draft.shiftMs ??= 0;
    return;
  }
  draft.offsetMs = batch.sourceNow - received;
  const beyond = Math.abs(draft.offsetMs) > settings.toleranceMs;
  const wanted = settings.policy === "shifted" || (settings.policy === "auto" && beyond) ? -draft.offsetMs : 0;
  // The constant of the session before still fits: keep it, so that a reconnect moves nothing.
  if (draft.shiftMs === null || Math.abs(draft.shiftMs - wanted) > settings.toleranceMs) draft.shiftMs = wanted;
}

function measureLag(draft: Draft, batch: Batch, settings: StampSettings): void {
  if (batch.sourceNow === undefined || settings.policy === "gateway") return;
  let newest = -Infinity;
  for (const item of batch.items) if (item.kind === "reading" && item.initial !== true && item.sourceTime !== undefined && item.sourceTime > newest) newest = item.sourceTime;
  if (newest === -Infinity) return;
  const lag = batch.sourceNow - newest;
  draft.lagMs = draft.lagMs === null ? lag : Math.min(lag, draft.lagMs + SETTLE_MS);
}

/** Values at the beginning of a source's history hold since the newest of them changed: so each run finds the same start. */
function newestInitial(batch: Batch, shiftMs: number): UnixMs {
  let newest = 0;
  for (const item of batch.items)
    if (item.kind === "reading" && item.initial === true && deciding.has(item.signal) && (item.sourceTime ?? 0) > newest) newest = item.sourceTime ?? 0;
  return unixMs(newest + shiftMs);
}

function takeGap(settings: StampSettings, draft: Draft, gap: Gap): void {
  draft.known = {};
  if (draft.returnAt !== null) return;
  flush(settings, draft);
  const shift = draft.shiftMs ?? 0;
  const at = gap.from === undefined ? draft.axis : later(draft.axis, unixMs(gap.from + shift));
  draft.initialAt = gap.to === undefined ? null : unixMs(gap.to + shift);
  if (at === null) return;
  draft.events.push({ kind: "gap", at, source: settings.source, gap });
  draft.axis = at;
}

function takeReading(settings: StampSettings, draft: Draft, reading: Reading, now: { readonly initialAt: UnixMs; readonly received: UnixMs }): void {
  const key = keyOf(reading);
  if (key in draft.known || Object.keys(draft.known).length < KNOWN_LIMIT) draft.known[key] = reading;
  const stamped = settings.policy === "gateway" || reading.sourceTime === undefined ? now.received : unixMs(reading.sourceTime + (draft.shiftMs ?? 0));
  if (draft.returnAt !== null) {
    if (stamped < draft.returnAt || reading.initial === true) {
      draft.late += 1;
      return;
    }
    endReturn(settings, draft);
  }
  place(settings, draft, reading, reading.initial === true ? later(draft.initialAt ?? now.initialAt, stamped) : stamped);
}

function place(settings: StampSettings, draft: Draft, reading: Reading, stamped: UnixMs): void {
  const decides = deciding.has(reading.signal);
  const frontier = draft.pending?.at ?? draft.axis;
  const at = decides ? later(frontier, stamped) : stamped;
  const basis = settings.policy === "gateway" || reading.sourceTime === undefined ? "gateway" : draft.shiftMs ? "shifted" : "source";
  const observation: Observation = { ...reading, machine: settings.machine, at, basis, ...(at !== stamped && { clamped: true }) };
  if (draft.pending !== null && (!decides || draft.pending.at === at)) {
    draft.pending.items.push(observation);
    return;
  }
  flush(settings, draft);
  draft.pending = { at: decides ? at : (draft.axis ?? at), items: [observation] };
}

function flush(settings: StampSettings, draft: Draft): void {
  if (draft.pending === null) return;
  draft.events.push({ kind: "observations", at: draft.pending.at, source: settings.source, items: draft.pending.items });
  draft.axis = later(draft.axis, draft.pending.at);
  draft.pending = null;
}

function endReturn(settings: StampSettings, draft: Draft): void {
  if (draft.returnAt === null) return;
  const at = draft.returnAt;
  draft.returnAt = null;
  draft.blind = false;
  for (const reading of Object.values(draft.known)) place(settings, draft, { ...reading, initial: true }, at);
}
