/** One change of the part counter, before it is known which cycle it belongs to. Plain JSON: it lies in checkpoints. */
import type { UnixMs } from "../contract/time.ts";
import type { Timing } from "./timing.ts";

export interface CounterStep {
  readonly at: UnixMs;
  /** Start of what it covers: `at`, but for parts recovered over an outage and for glitches. */
  readonly start: UnixMs;
  readonly end: UnixMs;
  readonly timing: Timing;
  /** Natural key of the observation that brought it. */
  readonly origin: string;
  readonly name: string;
  readonly epoch: number;
  /** Natural key within the machine: counter, what began the epoch, value. */
  readonly key: readonly string[];
  readonly from: number | null;
  readonly to: number;
  readonly delta: number;
  /** After a reset: the parts made since, if a cycle gives evidence of them. */
  readonly deltaOfCycle: number;
  readonly reset: boolean;
  readonly rollover: boolean;
  readonly plausibility: "ok" | "suspect" | "rejected" | null;
  /** True when no cycle can be named for it: seen over an outage, confirmed late, rejected. */
  readonly loose: boolean;
}
