/** A machine's checkpoint as text: pipeline state and source cursor, with the versions that can read them. */
import type { Cursor } from "../contract/observation.ts";
import type { PipelineState } from "./pipeline.ts";

/** Rises when the stamp's state or this envelope changes in a way that an older file cannot be read with. */
const FORMAT = 2;

export interface Saved<State> {
  readonly state: PipelineState<State>;
  readonly cursor: Cursor | null;
}
export type Decoded<State> =
  | { readonly found: "none" }
  | { readonly found: "unusable"; readonly reason: string }
  | ({ readonly found: "usable" } & Saved<State>);

export const encodeCheckpoint = <State>(saved: Saved<State>, detectorVersion: number): string =>
  JSON.stringify({ format: FORMAT, detector: detectorVersion, cursor: saved.cursor, state: saved.state });

/** The text is ours and checked by the buffer's checksum; what may differ is the version that wrote it. */
export function decodeCheckpoint<State>(json: string | null, detectorVersion: number): Decoded<State> {
  if (json === null) return { found: "none" };
  try {
    const saved = JSON.parse(json) as { readonly format: unknown; readonly detector: unknown } & Saved<State>;
    if (saved.format !== FORMAT || saved.detector !== detectorVersion)
      return { found: "unusable", reason: `written by another version (format ${String(saved.format)}, detectors ${String(saved.detector)})` };
    return { found: "usable", state: saved.state, cursor: saved.cursor };
  } catch (cause) {
    return { found: "unusable", reason: cause instanceof Error ? cause.message : String(cause) };
  }
}
