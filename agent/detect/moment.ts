/** What the core detectors are given for one instant: the event, and the machine before and after it. */
import type { Finding } from "../contract/finding.ts";
import type { MachineEvent } from "../contract/detector.ts";
import type { UnixMs } from "../contract/time.ts";
import type { CounterStep } from "./counter-step.ts";
import type { Picture } from "./picture.ts";
import type { SignalsState } from "./signals.ts";

export interface Moment {
  readonly at: UnixMs;
  readonly event: MachineEvent;
  readonly before: { readonly signals: SignalsState; readonly picture: Picture };
  readonly after: { readonly signals: SignalsState; readonly picture: Picture };
  /** Changes of the part counter that became certain at this instant; their own stamps may be older. */
  readonly steps: readonly CounterStep[];
  /** True once the part counter has ever shown a value. */
  readonly counterLive: boolean;
  /** Findings of this instant so far; detectors add theirs. */
  readonly out: Finding[];
}
