/**
 * What health says of a source's clock: its offset from ours, measured each minute while it is followed, the constant by
 * which its stamps are moved, and in words what a person should do. Where the YAML decides (`time: source | gateway`)
 * the offset is told and nothing warned of. Told to the log once, when it begins.
 */
import type { Ports } from "../../contract/ports.ts";
import type { SourceSettings } from "../../config/model.ts";
import type { StampState } from "./stamp-state.ts";

export interface SourceClockStatus {
  /** The source's clock minus ours; null: not measured, because it has none or ours is not set. */
  readonly clockOffsetMs: number | null;
  /** Added to its stamps. */
  readonly clockShiftMs: number;
  readonly clockWarning: string | null;
}
type Stamped = Pick<StampState, "offsetMs" | "shiftMs">;
type Source = Pick<SourceSettings, "time" | "clockToleranceMs">;

export class SourceClockHealth {
  readonly #source: Source;
  readonly #log: Ports["log"];
  #told: string | null = null;

  constructor(source: Source, log: Ports["log"]) {
    this.#source = source;
    this.#log = log;
  }

  look(stamp: Stamped): void {
    const warning = this.#words(stamp);
    const kind = warning?.kind ?? null;
    if (warning !== null && kind !== this.#told) this.#log.warn({ clockOffsetMs: stamp.offsetMs, clockShiftMs: stamp.shiftMs }, warning.sentence);
    this.#told = kind;
  }
  status(stamp: Stamped): SourceClockStatus {
    const warning = this.#words(stamp);
    return {
      clockOffsetMs: stamp.offsetMs, clockShiftMs: stamp.shiftMs ?? 0,
      clockWarning: warning === null ? null : `${inWords(stamp.offsetMs ?? 0)}: ${warning.sentence}`,
    };
  }

  #words({ offsetMs, shiftMs }: Stamped): { readonly kind: string; readonly sentence: string } | null {
    const { time, clockToleranceMs } = this.#source;
    if (time === "source" || time === "gateway" || offsetMs === null) return null;
    const isMoved = shiftMs !== null && shiftMs !== 0;
    const isBeyond = Math.abs(offsetMs + (shiftMs ?? 0)) > clockToleranceMs;
    if (isMoved && isBeyond) return { kind: "moved and beyond", sentence: "the source's clock has moved since its stamps were shifted, by more than clock_tolerance: the shift stands until it connects anew and time would not go back; set its clock" };
    if (isMoved) return { kind: "moved", sentence: "the source's clock is wrong and its stamps are shifted: set its clock, or say with time: that it is right" };
    return isBeyond ? { kind: "beyond", sentence: "the source's clock and this machine's differ by more than clock_tolerance, and its stamps are used as they are: set the one that is wrong" } : null;
  }
}

const inWords = (offsetMs: number): string => `${(Math.abs(offsetMs) / 1_000).toFixed(1)} s ${offsetMs > 0 ? "ahead" : "behind"}`;
