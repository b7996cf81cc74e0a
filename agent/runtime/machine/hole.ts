/**
 * A hole of a machine (design.md §3): the checkpoint at its start, from before the gap was declared, and what has been
 * published since. Kept in the buffer under its own key, changed in the same transaction as the records it tells of.
 *
 *   none ─ hold runs out ─► kept ─ the source is back ─► served ─ caught up: what differs is published ─► none
 *                            └─ more than DOUBTED_LIMIT published: the gap stays            └─ lost again ─► kept, from there
 *
 * One hole per machine. Where the source has no position to resume from nothing is kept, and the gap stays.
 */
import type { LiveValue } from "../../contract/finding.ts";
import type { Log } from "../../contract/ports.ts";
import type { NewRecord } from "../../contract/record.ts";
import { rfc3339, type UnixMs } from "../../contract/time.ts";
import type { Saved } from "./checkpoint.ts";
import { accepted, DOUBTED_LIMIT, doubtedIn, published, settled, type Revisions, type Standing } from "./revise.ts";

export interface Kept<State> extends Saved<State> {
  /** Current values as they were shown before the hole. */
  readonly live: readonly LiveValue[];
}

export interface Hole<State> {
  /** Event time at which it began; null: there is none. */
  readonly since: UnixMs | null;
  /** Where the detectors run again from; null while they do. */
  readonly kept: Kept<State> | null;
  readonly revisions: Revisions;
  /** Up to here first revisions were promised to be complete: what the hole brings from before is late. */
  readonly promised: UnixMs | null;
}

export interface Told<State> {
  readonly hole: Hole<State>;
  readonly records: readonly NewRecord[];
}

export const NO_HOLE: Hole<never> = { since: null, kept: null, revisions: {}, promised: null };

/** The source serves what it kept of the hole, and has not yet served all. */
export const isServed = ({ since, kept }: Hole<unknown>): boolean => since !== null && kept === null;
/** Nothing of it needs to be in the buffer. */
export const isNone = ({ since, revisions }: Hole<unknown>): boolean => since === null && Object.keys(revisions).length === 0;

/** The hold has run out at event time `since`; what an earlier hole left in doubt has been settled. */
export const holeFrom = <State>(hole: Hole<State>, since: UnixMs, kept: Kept<State>): Hole<State> => ({ ...hole, since, kept });

/** The source is back: the detectors run again from the state that was kept. */
export const reopened = <State>(hole: Hole<State>): Hole<State> => ({ ...hole, kept: null });

/** The records as they are published; `through`: promised by now. */
export function told<State>(hole: Hole<State>, concluded: readonly NewRecord[], through: UnixMs | null): Told<State> {
  if (concluded.length === 0 && hole.kept === null) return { hole, records: concluded };
  const { revisions, records } = published(hole.revisions, concluded, hole.kept !== null);
  const promised = hole.kept === null ? hole.promised : later(hole.promised, through);
  return { hole: revisions === hole.revisions && promised === hole.promised ? hole : { ...hole, revisions, promised }, records };
}

/** Of two promises both hold: the later one counts. */
export const later = (one: UnixMs | null, other: UnixMs | null): UnixMs | null => (one === null || (other !== null && other > one) ? other : one);

/** All of the hole that the source still had has been concluded: nothing stays in doubt. */
export function closed<State>(hole: Hole<State>, standing: Standing): Told<State> {
  const { revisions, records } = settled(hole.revisions, standing);
  return { hole: { since: null, kept: null, revisions, promised: hole.promised }, records };
}

/** Where more has been published since it began than is kept to be compared, it stays a gap. */
export function bounded<State>(hole: Hole<State>, log: Log): Hole<State> {
  if (doubtedIn(hole.revisions) <= DOUBTED_LIMIT) return hole;
  log.error({ since: hole.since }, "more was published since the hole began than is kept to be corrected: the hole stays unknown");
  return { ...hole, since: null, kept: null, revisions: accepted(hole.revisions) };
}

/** Whether first revisions among these tell of a time up to `promised`. */
export function areLate(records: readonly NewRecord[], promised: UnixMs | null, serving: boolean): boolean {
  if (promised === null) return false;
  const time = rfc3339(promised);
  // While a hole is served what opens there is news of the past too; at other times a stop is told when it has lasted.
  return records.some(({ rev, body }) => rev === 1 && ((body.end !== null && body.end <= time) || (serving && body.start <= time)));
}
