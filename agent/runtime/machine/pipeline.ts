/**
 * One machine from batches to findings: stamp, then the detectors, event by event. Pure; live running, `replay` and the
 * tests all go through here, so that what a recording gives is what the machine would have given.
 */
import type { Detector } from "../../contract/detector.ts";
import type { Finding } from "../../contract/finding.ts";
import type { Arrival, Batch, GapReason } from "../../contract/observation.ts";
import type { MachineSettings, SourceSettings } from "../../config/model.ts";
import { unixMs, type UnixMs } from "../../contract/time.ts";
import { declareGap, stampBatch } from "../time/stamp.ts";
import { initialStamp, newSession, settledThrough, ticked, type StampSettings, type StampState } from "../time/stamp-state.ts";
import type { MachineEvent } from "../../contract/detector.ts";

export interface PipelineState<State> {
  readonly stamp: StampState;
  readonly detect: State;
}
export type Step<State> = readonly [PipelineState<State>, readonly Finding[]];

export interface Pipeline<State> {
  initial(): PipelineState<State>;
  /** A batch of the source; afterwards time alone may conclude up to where the source has told us everything. */
  batch(state: PipelineState<State>, batch: Batch, arrival: Arrival): Step<State>;
  /** The source could not be reached for as long as we wait: unknown from `at` on. */
  gap(state: PipelineState<State>, at: UnixMs, reason: GapReason): Step<State>;
  /** Event time is known to have reached `at` without the source (after a gap): conclude what is due. */
  tick(state: PipelineState<State>, at: UnixMs): Step<State>;
  /** `reason`: of the silence before it; default: the link was lost. */
  session(state: PipelineState<State>, reason?: GapReason): PipelineState<State>;
  /** No first revision that ends at or before this will follow, but such as come marked late; null before the first event. */
  completeThrough(state: PipelineState<State>): UnixMs | null;
}

type MachineRead = Pick<MachineSettings, "id" | "rules">;
type SourceRead = Pick<SourceSettings, "name" | "time" | "clockToleranceMs">;

/** Of one machine and its source, as the configuration has them. */
export function createPipeline<State>({ id, rules }: MachineRead, source: SourceRead, detector: Detector<State>): Pipeline<State> {
  const settings: StampSettings = { machine: id, source: source.name, policy: source.time, toleranceMs: source.clockToleranceMs };
  const run = (detect: State, events: readonly MachineEvent[], findings: Finding[]): State => {
    let current = detect;
    for (const event of events) {
      const [next, found] = detector.step(rules, current, event, []);
      current = next;
      for (const finding of found) findings.push(finding);
    }
    return current;
  };
  // The axis moves to what was due, never to the tick: where a tick falls depends on when documents come.
  const tick = (given: PipelineState<State>, at: UnixMs | null, findings: Finding[]): PipelineState<State> => {
    let state = given;
    if (at === null || (state.stamp.axis !== null && at < state.stamp.axis)) return state;
    for (let due = detector.wakeAt(rules, state.detect); due !== null && due <= at; due = detector.wakeAt(rules, state.detect))
      state = { stamp: ticked(state.stamp, due), detect: run(state.detect, [{ kind: "tick", at: due }], findings) };
    return state;
  };
  return {
    initial: () => ({ stamp: initialStamp, detect: detector.initial(rules) }),
    batch(state, batch, arrival) {
      const findings: Finding[] = [];
      const [stamp, events] = stampBatch(settings, state.stamp, batch, arrival);
      const next = tick({ stamp, detect: run(state.detect, events, findings) }, settledThrough(stamp), findings);
      return [next, findings];
    },
    gap(state, at, reason) {
      const findings: Finding[] = [];
      const [stamp, events] = declareGap(settings, state.stamp, at, reason);
      return [{ stamp, detect: run(state.detect, events, findings) }, findings];
    },
    tick(state, at) {
      const findings: Finding[] = [];
      return [tick(state, at, findings), findings];
    },
    session: (state, reason) => ({ ...state, stamp: newSession(state.stamp, reason) }),
    completeThrough({ stamp, detect }) {
      if (stamp.axis === null) return null;
      const held = detector.heldBack?.(rules, detect) ?? null;
      // The instant of the axis itself is open until it has settled: the rest of it, or a stamp that steps back, still lands there.
      const behind = unixMs(stamp.axis - 1);
      const reached = settledThrough(stamp) ?? behind;
      const through = reached > behind ? reached : behind;
      // What is held back may still end exactly there.
      return held !== null && held <= through ? unixMs(held - 1) : through;
    },
  };
}
