/** Detectors are pure: same events, same findings, at any speed and in any grouping (design.md P7). */
import type { Gap, Observation } from "./observation.ts";
import type { Finding } from "./finding.ts";
import type { MachineRules } from "./rules.ts";
import type { UnixMs } from "./time.ts";

/**
 * One instant on a machine's event-time axis; `at` never goes back from one event to the next.
 * `observations`: everything that became true at `at`, in the source's order; all of it is applied before anything is
 * decided (mtconnect.md §7: mode and execution change at one stamp). Accompanying signals may carry another `at` of
 * their own; they never move the axis.
 * `gap`: from `at` on every value is unknown until it is next reported; `gap.to`, when known, comes as later events.
 * `tick`: time passed, nothing else. Extra ticks change when findings come, never what they say.
 */
export type MachineEvent =
  | { readonly kind: "observations"; readonly at: UnixMs; readonly source: string; readonly items: readonly Observation[] }
  | { readonly kind: "gap"; readonly at: UnixMs; readonly source: string; readonly gap: Gap }
  | { readonly kind: "tick"; readonly at: UnixMs };

/**
 * `step` = settle (did time alone change anything?) then apply (the event). `findings` are those of this step so far,
 * from the detectors before this one. State is plain JSON: it is checkpointed.
 */
export interface Detector<State> {
  readonly name: string;
  /** Written with the state; a state of another version is migrated by `migrate`, or discarded with a gap. */
  readonly version: number;
  initial(rules: MachineRules): State;
  step(rules: MachineRules, state: State, event: MachineEvent, findings: readonly Finding[]): readonly [State, readonly Finding[]];
  /** Event time at which the shell owes a tick; null when time alone changes nothing. "Longer than x" wakes at x + 1 ms. */
  wakeAt(rules: MachineRules, state: State): UnixMs | null;
  /** The end of the oldest conclusion still held back, which a first revision may yet carry; null when none is. */
  heldBack?(rules: MachineRules, state: State): UnixMs | null;
}
