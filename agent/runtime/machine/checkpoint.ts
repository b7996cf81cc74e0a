/** A machine's checkpoint as text: pipeline state, source cursor and open records, and the hole, with the versions that can read them. */
import type { Cursor } from "../../contract/observation.ts";
import type { DayTally } from "../account/day-book.ts";
import type { Hole } from "./hole.ts";
import type { PipelineState } from "./pipeline.ts";
import type { Standing } from "./revise.ts";
import { initialStamp } from "../time/stamp-state.ts";

/** Rises when the stamp's state or this envelope changes in a way that an older file cannot be read with. */
const FORMAT = 2;

export interface Saved<State> {
  readonly state: PipelineState<State>;
  readonly cursor: Cursor | null;
  /** Published as open and not yet closed. */
  readonly standing: Standing;
}
export type Decoded<Content> =
  | { readonly found: "none" }
  | { readonly found: "unusable"; readonly reason: string }
  | ({ readonly found: "usable" } & Content);

const encode = (content: object, detectorVersion: number): string => JSON.stringify({ format: FORMAT, detector: detectorVersion, ...content });

/** The text is ours and checked by the buffer's checksum; what may differ is the version that wrote it; null: whichever it was. */
function decode<Content>(json: string | null, detectorVersion: number | null): Decoded<Content> {
  if (json === null) return { found: "none" };
  try {
    const saved = JSON.parse(json) as { readonly format: unknown; readonly detector: unknown } & Content;
    if (detectorVersion !== null && (saved.format !== FORMAT || saved.detector !== detectorVersion))
      return { found: "unusable", reason: `written by another version (format ${String(saved.format)}, detectors ${String(saved.detector)})` };
    return { found: "usable", ...saved };
  } catch (cause) {
    return { found: "unusable", reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** `tally`: what the day book counted, which stays readable when the rest is not. */
export const encodeCheckpoint = <State>({ state, cursor, standing }: Saved<State>, tally: DayTally, detectorVersion: number): string =>
  encode({ cursor, state, standing, tally }, detectorVersion);

/** Null when there is none. */
export function tallyIn(json: string | null): unknown {
  if (json === null) return null;
  const { found, ...read } = decode<{ readonly tally?: unknown }>(json, null);
  return found === "usable" && "tally" in read ? read.tally : null;
}

export function decodeCheckpoint<State>(json: string | null, detectorVersion: number): Decoded<Saved<State>> {
  // Versions before holes were served did not write down what stands open.
  const decoded = decode<Omit<Saved<State>, "standing"> & Partial<Pick<Saved<State>, "standing">>>(json, detectorVersion);
  return decoded.found === "usable" ? { found: "usable", state: completed(decoded.state), cursor: decoded.cursor, standing: decoded.standing ?? {} } : decoded;
}

/** What came with later versions is not in what an older one wrote. */
const completed = <State>({ stamp, detect }: PipelineState<State>): PipelineState<State> => ({ stamp: { ...initialStamp, ...stamp }, detect });

export const encodeHole = <State>(hole: Hole<State>, detectorVersion: number): string => encode(hole, detectorVersion);

export function decodeHole<State>(json: string | null, detectorVersion: number): Decoded<{ readonly hole: Hole<State> }> {
  const decoded = decode<Hole<State>>(json, detectorVersion);
  if (decoded.found !== "usable") return decoded;
  const { since, kept, revisions, promised } = decoded;
  return { found: "usable", hole: { since, kept: kept && { ...kept, state: completed(kept.state) }, revisions, promised } };
}
