/** What plays into a simulated agent: the model it serves and timed steps, whatever they were made from. */
import type { Model } from "../model.ts";
import type { SimulatedObservation } from "../observation.ts";

export interface Step {
  /** ms since the feed's start; never falls from one step to the next. */
  readonly atMs: number;
  readonly observations: readonly SimulatedObservation[];
  readonly cable?: "pull" | "plug";
}

export interface Feed {
  readonly model: Model;
  readonly steps: readonly Step[];
  /** Unix ms that `atMs` 0 stands for: the first stamp of a recording, the start of a script. */
  readonly startMs: number;
  /** What served it when it was recorded; undefined for scripts. */
  readonly instanceId?: string;
  readonly schema?: string;
  /** True for recordings: the agent's clock ends with the last stamp. */
  readonly recorded: boolean;
  /** What could not be used, in words, for the technician. */
  readonly notes: readonly string[];
}
