/**
 * The detectors of one machine in their fixed order: signals, counter, gaps, state, alarms, cycle with its parts,
 * downtime, summary. Each sees the event and the findings before it.
 *
 * What time alone concludes is concluded at the instant it becomes due, never at the tick or event that happens to come
 * next: `step` first runs each wake-up that lies before the event, at its own time and in order. So ticks that are late,
 * extra or missing change when findings come, and nothing in them. A tick with nothing due changes nothing.
 */
import { InvariantError } from "../contract/errors.ts";
import type { Detector, MachineEvent } from "../contract/detector.ts";
import type { Finding } from "../contract/finding.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { UnixMs } from "../contract/time.ts";
import { alarmsWakeAt, initialAlarms, stepAlarms, type AlarmsState } from "./alarms.ts";
import { counterHeldBack, counterWakeAt, initialCounter, stepCounter, type CounterState } from "./counter.ts";
import { cycleHeldBack, cycleWakeAt, initialCycle, stepCycle, type CycleState } from "./cycle.ts";
import { downtimeDetector } from "./downtime.ts";
import { initialGaps, stepGaps, type GapsState } from "./gaps.ts";
import { addLiveValues } from "./live.ts";
import type { Moment } from "./moment.ts";
import { initialPicture, pictureOf, type Picture } from "./picture.ts";
import { afterEvent, initialSignals, type SignalsState } from "./signals.ts";
import { initialState, stateHeldBack, stateWakeAt, stepState, type StateState } from "./state.ts";
import { summaryDetector } from "./summary.ts";

type StateOf<D> = D extends Detector<infer State> ? State : never;

export interface MachineDetectState {
  /** Event time of the last event; null before the first. */
  readonly at: UnixMs | null;
  readonly signals: SignalsState;
  readonly picture: Picture;
  readonly counter: CounterState;
  readonly gaps: GapsState;
  readonly state: StateState;
  readonly alarms: AlarmsState;
  readonly cycle: CycleState;
  readonly downtime: StateOf<typeof downtimeDetector>;
  readonly summary: StateOf<typeof summaryDetector>;
}

const NOTHING: readonly Finding[] = [];
/** Wake-ups at one instant after which a detector is not making progress. */
const WAKE_LIMIT = 1_000;

const earliest = (one: UnixMs | null, other: UnixMs | null): UnixMs | null => (one === null || (other !== null && other < one) ? other : one);

function wakeAt(rules: MachineRules, state: MachineDetectState): UnixMs | null {
  let due = cycleWakeAt(rules, state.cycle);
  due = earliest(due, counterWakeAt(rules, state.counter));
  due = earliest(due, stateWakeAt(rules, state.state));
  due = earliest(due, alarmsWakeAt(rules, state.alarms));
  due = earliest(due, downtimeDetector.wakeAt(rules, state.downtime));
  return earliest(due, summaryDetector.wakeAt(rules, state.summary));
}

function heldBack(rules: MachineRules, state: MachineDetectState): UnixMs | null {
  let oldest = cycleHeldBack(state.cycle);
  oldest = earliest(oldest, counterHeldBack(state.counter));
  oldest = earliest(oldest, stateHeldBack(state.state));
  oldest = earliest(oldest, downtimeDetector.heldBack?.(rules, state.downtime) ?? null);
  return earliest(oldest, summaryDetector.heldBack?.(rules, state.summary) ?? null);
}

/** One event for all detectors, in order, with nothing else due. */
function run(rules: MachineRules, state: MachineDetectState, event: MachineEvent): readonly [MachineDetectState, readonly Finding[]] {
  const out: Finding[] = [];
  const before = { signals: state.signals, picture: state.picture };
  const signals = afterEvent(rules, state.signals, event);
  // The first event sets the picture even where it changes no signal: from here on time is told.
  const picture = signals === state.signals && state.at !== null ? state.picture : settled(pictureOf(rules, signals, state.picture), state.picture);
  const [counter, steps] = stepCounter(rules, state.counter, event);
  const moment: Moment = { at: event.at, event, before, after: { signals, picture }, steps, counterLive: counter.name !== null, out };
  const gaps = stepGaps(rules, state.gaps, moment);
  const own = stepState(rules, state.state, moment);
  const alarms = stepAlarms(rules, state.alarms, moment);
  const cycle = stepCycle(rules, state.cycle, moment);
  addLiveValues(rules, moment);
  const [downtime, stops] = downtimeDetector.step(rules, state.downtime, event, out);
  out.push(...stops);
  const [summary, sums] = summaryDetector.step(rules, state.summary, event, out);
  out.push(...sums);
  return [{ at: event.kind === "tick" ? state.at : event.at, signals, picture, counter, gaps, state: own, alarms, cycle, downtime, summary }, out];
}

/** The same picture as before is the same object: detectors compare it at a glance. */
function settled(next: Picture, before: Picture): Picture {
  const same = next.state === before.state && next.mode === before.mode && next.activity === before.activity && next.because === before.because && next.within === before.within;
  return same ? before : next;
}

function step(rules: MachineRules, given: MachineDetectState, event: MachineEvent): readonly [MachineDetectState, readonly Finding[]] {
  let state = given;
  let findings = NOTHING;
  let due = wakeAt(rules, state);
  let repeats = 0;
  while (due !== null && due <= event.at) {
    const [next, found] = run(rules, state, { kind: "tick", at: state.at !== null && state.at > due ? state.at : due });
    state = next;
    findings = findings.length === 0 ? found : [...findings, ...found];
    const again = wakeAt(rules, state);
    repeats = again === due ? repeats + 1 : 0;
    if (repeats > WAKE_LIMIT) throw new InvariantError(`a detector of ${rules.machine} asks to be woken at ${due} for ever`);
    due = again;
  }
  if (event.kind === "tick") return [state, findings];
  const [next, found] = run(rules, state, event);
  return [next, findings.length === 0 ? found : [...findings, ...found]];
}

export const machineDetector: Detector<MachineDetectState> = {
  name: "machine",
  version: 1,
  initial: (rules) => ({
    at: null, signals: initialSignals, picture: initialPicture, counter: initialCounter, gaps: initialGaps, state: initialState, alarms: initialAlarms,
    cycle: initialCycle, downtime: downtimeDetector.initial(rules), summary: summaryDetector.initial(rules),
  }),
  step,
  wakeAt,
  heldBack,
};
