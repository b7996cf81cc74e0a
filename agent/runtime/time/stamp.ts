/**
 * Puts a source's readings on its machine's event-time axis (design.md §3) and groups what became true at one instant.
 * Pure: a batch in, events out; the state is plain JSON and lies in the checkpoint, so that a restart goes on exactly.
 *
 *   readings ─► placed (source stamp, shifted by one constant, or the gateway's) ─► grouped by instant ─► events
 *
 * A group is handed on when a later instant follows, or when the source says that it has nothing newer. Only deciding
 * signals move the axis. The axis never goes back: a stamp that does is clamped to it and marked (mtconnect.md §8).
 * After a gap that we declared ourselves (the hold ran out), what the source then serves of the hole is only counted;
 * its last values become true at the instant of the return. Where the clock that dates the readings was set forward, the
 * span it jumped over is a gap, and the values from before it become true at its end.
 */
import { DECIDING_SIGNALS, type Arrival, type Batch, type Gap, type GapReason, type Observation, type Reading } from "../../contract/observation.ts";
import type { MachineEvent } from "../../contract/detector.ts";
import { unixMs, type UnixMs } from "../../contract/time.ts";
import { placeGateway, type Placed } from "./gateway-time.ts";
import { measureOffset } from "./source-offset.ts";
import { isUndated, untold, type Untold } from "./silence.ts";
import { isInitial, newestInitial, newestStamp, oldestStamp, stampClock } from "./source-clock.ts";
import { later, SETTLE_MS, type Pending, type StampSettings, type StampState } from "./stamp-state.ts";

/** More items than any control has; what lies beyond is not remembered over a gap. */
const KNOWN_LIMIT = 2_000;
/** So many accompanying readings of later stamps are handed on: a source that never says it has told all would fill the memory. */
const TRAILING_LIMIT = 100;
/** So long an opening block of UNAVAILABLE waits for a first value, which may be a recording's (see `pullBack`). */
const OPENING_MS = 3_000;
/** A machine may have said nothing for so long; beyond it the clock that stamps may be a zone behind instead. */
const IDLE_MS = 25 * 60_000;
/** Stamps further back than any zone are a recording's: until live stamps tell, time goes on from the newest of them. */
const ZONE_MS = 15 * 3_600_000;
/** Further ahead of its document than any zone. */
const FUTURE_MS = 26 * 3_600_000;

const deciding: ReadonlySet<string> = new Set(DECIDING_SIGNALS);
const keyOf = (reading: Reading): string => `${reading.signal}|${reading.item ?? ""}|${reading.path ?? ""}`;
type Mutable = { -readonly [K in Exclude<keyof StampState, "pending" | "known">]: StampState[K] };
/** What one call changes. Its group and its map are its own copies, so that appending costs nothing and the state given stays as it was. */
interface Draft extends Mutable {
  pending: (Pending & { readonly items: Observation[]; readonly trailing: Observation[] }) | null;
  known: Record<string, Reading>;
  readonly events: MachineEvent[];
}
const draftOf = (state: StampState): Draft => ({
  ...state, pending: state.pending && { ...state.pending, items: [...state.pending.items], trailing: [...state.pending.trailing] }, known: { ...state.known }, events: [],
});

/** One batch → the events it completes. */
export function stampBatch(settings: StampSettings, state: StampState, batch: Batch, arrival: Arrival): readonly [StampState, readonly MachineEvent[]] {
  const draft = draftOf(state);
  const placed = placeGateway(draft.gateway, arrival.received);
  const received = placed.at;
  draft.gateway = placed.time;
  const sourceNow = settings.policy === "gateway" ? null : (batch.sourceNow ?? null);
  const jumpMs = measure(settings, draft, { batch, arrival });
  if (jumpMs > 0 && draft.seen !== null) leap(settings, draft, { from: draft.seen, to: unixMs(draft.seen + jumpMs) });
  const documentTime = sourceNow === null ? received : unixMs(sourceNow + (draft.shiftMs ?? 0));
  endSilence(settings, draft, { batch, now: documentTime });
  if (sourceNow === null && draft.anchor === null) dateByGateway(settings, draft, placed, arrival);
  if (batch.caughtUp) measureLag(draft, batch, settings);
  if (draft.blind && draft.returnAt === null && (batch.items.length > 0 || batch.caughtUp)) draft.returnAt = later(draft.axis, stampClock(draft, documentTime));
  const initialAt = batch.items.some(isInitial) ? initialInstant(settings, draft, batch, documentTime) : documentTime;
  for (const item of batch.items) {
    if (item.kind === "gap") takeGap(settings, draft, item, documentTime);
    else takeReading(settings, draft, item, { initialAt, documentTime, received });
  }
  if (batch.caughtUp) {
    endReturn(settings, draft);
    if (!opens(draft, received)) flush(settings, draft);
    draft.seen = later(draft.axis, stampClock(draft, documentTime));
    draft.initialAt = null;
  } else if (batch.items.length > 0) draft.seen = draft.axis;
  draft.following = batch.caughtUp;
  const { events, ...next } = draft;
  return [next, events];
}

/** The hold has run out: from `at` on nothing is known. */
export function declareGap(settings: StampSettings, state: StampState, at: UnixMs, reason: GapReason): readonly [StampState, readonly MachineEvent[]] {
  const draft = draftOf(state);
  goBlind(settings, draft, { from: at, reason });
  const { events, ...next } = draft;
  return [next, events];
}

function goBlind(settings: StampSettings, draft: Draft, { from: at, ...gap }: Untold): void {
  flush(settings, draft);
  const from = later(draft.axis, at);
  draft.events.push({ kind: "gap", at: from, source: settings.source, gap: { kind: "gap", from, ...gap } });
  [draft.axis, draft.seen, draft.blind, draft.returnAt] = [from, from, true, null];
}

function endSilence(settings: StampSettings, draft: Draft, { batch, now }: { readonly batch: Batch; readonly now: UnixMs }): void {
  const gap = draft.silence === null || draft.blind ? null : untold(draft.silence, batch, { ...settings, hasClock: draft.anchor !== null, now, isDeciding: (signal) => deciding.has(signal) });
  if (gap !== null) goBlind(settings, draft, gap);
  if (batch.caughtUp || draft.blind) draft.silence = null;
}

function measure({ policy, toleranceMs }: StampSettings, draft: Draft, { batch, arrival }: { readonly batch: Batch; readonly arrival: Arrival }): number {
  const { shiftMs, offsetMs, measuredAt, excusedMs, isDecided, anchor, jumpMs } = measureOffset(draft, { policy, toleranceMs, sourceNow: batch.sourceNow ?? null, oldest: oldestStamp(batch), caughtUp: batch.caughtUp, arrival, seen: draft.seen });
  [draft.shiftMs, draft.offsetMs, draft.measuredAt, draft.excusedMs, draft.isDecided, draft.anchor] = [shiftMs, offsetMs, measuredAt, excusedMs, isDecided, anchor];
  return jumpMs;
}

function dateByGateway(settings: StampSettings, draft: Draft, { at, jumpedFrom }: Placed, { unsynchronised }: Arrival): void {
  if (jumpedFrom !== null) leap(settings, draft, { from: jumpedFrom, to: at });
  if (unsynchronised) draft.undatedThrough = later(draft.undatedThrough, at);
}

/** The clock that dates the readings was set forward: nothing happened in between that anybody could have seen. */
function leap(settings: StampSettings, draft: Draft, { from, to }: { readonly from: UnixMs; readonly to: UnixMs }): void {
  if (draft.axis === null || draft.blind) return;
  flush(settings, draft);
  const at = later(draft.axis, from);
  if (at >= to) return;
  draft.events.push({ kind: "gap", at, source: settings.source, gap: { kind: "gap", reason: "clock-step", from: at, to } });
  draft.axis = at;
  for (const reading of Object.values(draft.known)) place(settings, draft, { ...reading, initial: true }, to);
}

/** Nothing was ever known, nothing is, and we have only just begun to look. */
function opens(draft: Draft, received: UnixMs): boolean {
  if (draft.axis !== null || draft.pending === null || draft.pending.items.some(({ quality }) => quality !== "UNAVAILABLE")) return false;
  draft.openedAt ??= received;
  return received >= draft.openedAt && received - draft.openedAt < OPENING_MS;
}

function measureLag(draft: Draft, batch: Batch, settings: StampSettings): void {
  if (batch.sourceNow === undefined || settings.policy === "gateway") return;
  const newest = newestStamp(batch, batch.sourceNow + FUTURE_MS, ({ initial, quality }) => initial !== true && quality !== "UNAVAILABLE");
  if (newest === null) return;
  const lag = batch.sourceNow - newest;
  if (draft.following) [draft.lagMs, draft.lagIsLive] = [draft.lagMs === null || !draft.lagIsLive ? lag : Math.min(lag, draft.lagMs + SETTLE_MS), true];
  else if (lag > ZONE_MS) draft.lagMs ??= lag;
}

/**
 * Since when initial values hold, where no gap says it. At the beginning of a source's history: since the newest of them
 * changed, so that each run finds the same start. At the present: from the document's time on; but where their newest
 * stamp lies so far back that the clock that stamps may be hours behind (or the machine a recording), from that stamp on.
 */
function initialInstant(settings: StampSettings, draft: Draft, batch: Batch, documentTime: UnixMs): UnixMs {
  const shift = draft.shiftMs ?? 0;
  if (!batch.caughtUp) return unixMs((newestInitial(batch, ({ signal }) => deciding.has(signal)) ?? 0) + shift);
  if (settings.policy === "gateway" || draft.axis !== null) return documentTime;
  const newest = newestInitial(batch, () => true);
  const age = newest === null ? 0 : documentTime - newest - shift;
  if (age <= IDLE_MS) return documentTime;
  if (age > ZONE_MS) draft.lagMs ??= age;
  return unixMs(documentTime - age);
}

/** A gap's bounds are often times of documents; the clock that stamps may be hours from theirs, and we know better how far we had seen. */
function takeGap(settings: StampSettings, draft: Draft, gap: Gap, documentTime: UnixMs): void {
  draft.known = {};
  if (draft.returnAt !== null) return;
  flush(settings, draft);
  const shift = draft.shiftMs ?? 0;
  const from = draft.seen ?? (gap.from === undefined ? draft.axis : unixMs(gap.from + shift));
  const at = from && later(draft.axis, from);
  draft.initialAt = gap.to === undefined ? null : unixMs(Math.min(gap.to + shift, stampClock(draft, documentTime)));
  if (at === null) return;
  draft.events.push({ kind: "gap", at, source: settings.source, gap });
  draft.axis = at;
}

function takeReading(settings: StampSettings, draft: Draft, reading: Reading, now: { readonly initialAt: UnixMs; readonly documentTime: UnixMs; readonly received: UnixMs }): void {
  const key = keyOf(reading);
  if (key in draft.known || Object.keys(draft.known).length < KNOWN_LIMIT) draft.known[key] = reading;
  const stamped = instantOf(settings, draft, reading, now);
  if (draft.returnAt !== null) {
    const undated = isUndated({ policy: settings.policy, hasClock: draft.anchor !== null }, reading);
    if (undated) draft.returnAt = later(draft.returnAt, stamped);
    if (undated || stamped < draft.returnAt || reading.initial === true) {
      draft.late += 1;
      return;
    }
    endReturn(settings, draft);
  }
  if (reading.initial !== true) return place(settings, draft, reading, stamped);
  const since = draft.initialAt ?? now.initialAt;
  place(settings, draft, reading, reading.quality === "UNAVAILABLE" && stamped - since > ZONE_MS ? since : later(since, stamped));
}

/** A stamp from beyond tomorrow is no time: taken as it is, it would hold the axis there, and everything after it. */
function instantOf(settings: StampSettings, draft: Draft, { sourceTime, quality }: Reading, now: { readonly documentTime: UnixMs; readonly received: UnixMs }): UnixMs {
  if (settings.policy === "gateway" || sourceTime === undefined) return now.received;
  const stamped = unixMs(sourceTime + (draft.shiftMs ?? 0));
  // A lost adapter's block is stamped by the agent: taken as it is it would hold the axis hours ahead of the adapter's own stamps.
  if (draft.axis !== null && quality === "UNAVAILABLE" && draft.lagIsLive && (draft.lagMs ?? 0) > IDLE_MS && stamped > now.documentTime - ZONE_MS) return stampClock(draft, stamped);
  return stamped > now.documentTime + FUTURE_MS ? now.documentTime : stamped;
}

function place(settings: StampSettings, draft: Draft, reading: Reading, stamped: UnixMs): void {
  // A snapshot is one whole: what accompanies it may come first and is of the same instant.
  const decides = deciding.has(reading.signal);
  const firm = decides || reading.initial === true;
  if (decides) pullBack(draft, stamped);
  if (decides && (draft.pending?.stamp !== stamped || draft.pending.trailing.some((one) => one.at !== stamped))) flush(settings, draft);
  const at = decides ? (draft.pending?.at ?? later(draft.axis, stamped)) : stamped;
  const basis = settings.policy === "gateway" || reading.sourceTime === undefined ? "gateway" : draft.shiftMs ? "shifted" : "source";
  const observation: Observation = { ...reading, machine: settings.machine, at, basis, ...(at !== stamped && { clamped: true }) };
  draft.pending ??= { at: firm ? later(draft.axis, at) : (draft.axis ?? at), stamp: firm ? stamped : null, items: [], trailing: [] };
  (decides ? draft.pending.items : draft.pending.trailing).push(observation);
  if (draft.pending.items.length + draft.pending.trailing.length >= (stamped === draft.pending.stamp ? KNOWN_LIMIT : TRAILING_LIMIT)) flush(settings, draft);
}

/**
 * An agent that plays a recording stamps what it has not, everything UNAVAILABLE, with its own clock: years after what
 * follows. When that was the recording does not say: the block it opens with goes where the first value is. A block later
 * on stands where its stamp puts it, as any stamp does (mtconnect.md §8).
 */
function pullBack(draft: Draft, stamped: UnixMs): void {
  const { pending, axis } = draft;
  if (pending === null || axis !== null || stamped >= pending.at - ZONE_MS || pending.items.some(({ quality }) => quality !== "UNAVAILABLE")) return;
  const move = (one: Observation): Observation => ({ ...one, at: stamped });
  draft.pending = { at: stamped, stamp: stamped, items: pending.items.map(move), trailing: pending.trailing.map((one) => ({ ...one, at: stamped })) };
}

function flush(settings: StampSettings, draft: Draft): void {
  if (draft.pending === null) return;
  const { at, items, trailing } = draft.pending;
  for (const together of [items, trailing]) if (together.length > 0) draft.events.push({ kind: "observations", at, source: settings.source, items: together });
  draft.axis = later(draft.axis, at);
  draft.pending = null;
}

function endReturn(settings: StampSettings, draft: Draft): void {
  if (draft.returnAt === null) return;
  const at = draft.returnAt;
  draft.returnAt = null;
  draft.blind = false;
  for (const reading of Object.values(draft.known)) place(settings, draft, { ...reading, initial: true }, at);
}
