/**
 * What the first words after a silence leave unknown: the link was lost, or we were not running, and the session goes on
 * from before it. Pure.
 *
 * Readings that carry their own stamps tell what happened, and when. Those that only our clock dates (`time: gateway`,
 * sources without stamps) are of no known instant within the silence, and values as they are now tell nothing of it:
 * then it is a gap. Where nothing that decides was said in it, nothing happened: what was so before it was so all along.
 */
import type { Batch, Gap, GapReason, Reading } from "../../contract/observation.ts";
import type { UnixMs } from "../../contract/time.ts";
import type { TimePolicy } from "../../config/model.ts";

export interface Silence {
  /** Event time until which the source had told us everything; null: it never had. */
  readonly since: UnixMs | null;
  readonly reason: GapReason;
}
export interface Judged {
  readonly policy: TimePolicy;
  /** The source tells what its clock shows, and it is used. */
  readonly hasClock: boolean;
  /** A date may be wrong by so much without a word; so may one that came so much later. */
  readonly toleranceMs: number;
  /** Event time of the batch. */
  readonly now: UnixMs;
  readonly isDeciding: (signal: string) => boolean;
}
export interface Untold {
  readonly from: UnixMs;
  readonly reason: GapReason;
  readonly missing?: number;
}

/** Dated by when it came, because its stamp is not used, or its source has none. One without among stamped ones makes no gap. */
export const isUndated = (by: Pick<Judged, "policy" | "hasClock">, { sourceTime }: Reading): boolean => by.policy === "gateway" || (sourceTime === undefined && !by.hasClock);

/** The gap that `batch` leaves of the silence before it; null: none, or its driver says so itself. */
export function untold({ since, reason }: Silence, { items }: Batch, by: Judged): Untold | null {
  if (since === null || by.now - since <= by.toleranceMs) return null;
  const said = items.find((item): item is Gap => item.kind === "gap");
  const leavesIt = (item: Reading | Gap): boolean => item.kind === "reading" && by.isDeciding(item.signal) && (isUndated(by, item) || (item.initial === true && said === undefined));
  if (!items.some(leavesIt)) return null;
  return { from: since, reason: said?.reason ?? reason, ...(said?.missing !== undefined && { missing: said.missing }) };
}
