/**
 * The present values of one machine's signals: the memory that all other detectors read. A value is null when it is
 * not known now; whether it ever was is kept apart, because a declared item with no source behind it (a second path,
 * an unused mode) must not blind the machine (mtconnect.md §7). A gap makes every value unknown until next reported.
 * Accompanying signals are not kept here, but for those that a cycle's record names.
 */
import { CONTROLLER_MODES, EXECUTIONS, type ControllerMode, type Execution, type Observation } from "../contract/observation.ts";
import type { StateChange } from "../contract/finding.ts";
import type { MachineEvent } from "../contract/detector.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { UnixMs } from "../contract/time.ts";

export type UnknownReason = NonNullable<StateChange["unknownBecause"]>;

export interface PathSignals {
  readonly path: number;
  readonly execution: Execution | null;
  /** True once a value was reported, ever. */
  readonly executionLive: boolean;
  readonly mode: ControllerMode | null;
  readonly modeLive: boolean;
  /** Why execution or mode is not known. */
  readonly why: UnknownReason;
  readonly emergencyStop: string | null;
  /** Main program; blank counts as none. */
  readonly program: string | null;
  readonly subprogram: string | null;
  readonly comment: string | null;
}

export interface SignalsState {
  readonly availability: string | null;
  /** Was ever anything but UNAVAILABLE. */
  readonly availabilityLive: boolean;
  readonly power: string | null;
  /** Why nothing is known, while no path has ever reported its execution. */
  readonly why: UnknownReason;
  /** In order of their numbers; bounded by PATH_LIMIT. */
  readonly paths: readonly PathSignals[];
  /** Number of active faults per condition item; items without one are left out. */
  readonly faults: Readonly<Record<string, number>>;
  /** Event time of the last observation that decides. */
  readonly lastAt: UnixMs | null;
  /** The source numbers its observations, so it may keep a history of them. */
  readonly numbered: boolean;
}

/** More than controls have; what comes from further paths is not looked at. */
const PATH_LIMIT = 16;
/** More condition items than this with an active fault at one time: the machine is in alarm already. */
const FAULT_ITEM_LIMIT = 64;

const executions: ReadonlySet<unknown> = new Set(EXECUTIONS);
const modes: ReadonlySet<unknown> = new Set(CONTROLLER_MODES);

export const initialSignals: SignalsState = { availability: null, availabilityLive: false, power: null, why: "not-reported", paths: [], faults: {}, lastAt: null, numbered: false };

const newPath = (path: number, why: UnknownReason): PathSignals => ({
  path, execution: null, executionLive: false, mode: null, modeLive: false, why, emergencyStop: null, program: null, subprogram: null, comment: null,
});

/** The path whose program and count stand for the machine; the lowest one where the configured one does not exist. */
export function mainPath(rules: MachineRules, signals: SignalsState): PathSignals | undefined {
  for (const path of signals.paths) if (path.path === rules.mainPath) return path;
  return signals.paths[0];
}

/** True when the signal speaks of the machine's main path: of it by number, or of none in particular. */
export const isMainPath = (rules: MachineRules, observation: Observation): boolean => (observation.path ?? rules.mainPath) === rules.mainPath;

/** All of an event. Returns the state given when nothing in it changed. */
export function afterEvent(rules: MachineRules, state: SignalsState, event: MachineEvent): SignalsState {
  if (event.kind === "tick") return state;
  if (event.kind === "gap") return afterGap(state, event.gap.reason);
  let next = state;
  let decides = false;
  for (const observation of event.items) {
    const after = afterObservation(rules, next, observation);
    decides ||= after !== next || isDeciding(observation.signal);
    next = after;
  }
  if (!decides) return next;
  const numbered = next.numbered || event.items.some((item) => item.position !== undefined);
  return { ...next, lastAt: event.at, numbered };
}

function afterGap(state: SignalsState, why: UnknownReason): SignalsState {
  const paths = state.paths.map((path): PathSignals => ({ ...path, execution: null, mode: null, why, emergencyStop: null, program: null, subprogram: null, comment: null }));
  return { ...state, availability: null, power: null, why, paths, faults: {} };
}

function isDeciding(signal: string): boolean {
  switch (signal) {
    case "availability": case "execution": case "controller_mode": case "functional_mode": case "emergency_stop": case "alarm":
    case "program": case "part_count": case "part_count_good": case "part_count_bad": case "power_state":
      return true;
    default:
      return false;
  }
}

/** One observation. Returns the state given when it changed nothing. */
export function afterObservation(rules: MachineRules, state: SignalsState, observation: Observation): SignalsState {
  switch (observation.signal) {
    case "availability":
      return afterAvailability(state, observation.value === null ? "UNAVAILABLE" : text(observation));
    case "power_state":
      return text(observation) === state.power ? state : { ...state, power: text(observation) };
    case "alarm":
      return afterAlarms(state, observation);
    case "execution": case "controller_mode": case "emergency_stop": case "program": case "subprogram": case "program_comment":
      return afterPathSignal(state, observation, observation.path ?? rules.mainPath);
    default:
      return state;
  }
}

const text = ({ value }: Observation): string | null => (typeof value === "string" ? value : null);
const named = ({ value }: Observation): string | null => {
  const word = typeof value === "string" ? value.trim() : typeof value === "number" ? String(value) : "";
  return word === "" ? null : word;
};

/** Where availability is lost, execution is not known until it is reported, whenever the source is said to be back. */
function afterAvailability(state: SignalsState, availability: string | null): SignalsState {
  if (availability === state.availability) return state;
  if (availability !== "UNAVAILABLE") return { ...state, availability, availabilityLive: true };
  // An item that never was anything else has no source behind it: its UNAVAILABLE says nothing of the machine.
  if (!state.availabilityLive) return state;
  return { ...state, availability, why: "unavailable", paths: state.paths.map((path): PathSignals => ({ ...path, execution: null, why: "unavailable" })) };
}

function afterAlarms(state: SignalsState, observation: Observation): SignalsState {
  const item = observation.item ?? "";
  const count = typeof observation.value === "object" && observation.value !== null ? observation.value.filter(({ severity }) => severity === "FAULT").length : 0;
  if ((state.faults[item] ?? 0) === count) return state;
  const { [item]: _, ...others } = state.faults;
  if (count === 0) return { ...state, faults: others };
  return Object.keys(others).length >= FAULT_ITEM_LIMIT ? state : { ...state, faults: { ...others, [item]: count } };
}

function afterPathSignal(state: SignalsState, observation: Observation, number: number): SignalsState {
  const index = state.paths.findIndex(({ path }) => path === number);
  const before = state.paths[index] ?? newPath(number, state.why);
  const after = pathAfter(before, observation);
  if (after === before && index >= 0) return state;
  if (index >= 0) return { ...state, paths: state.paths.with(index, after) };
  if (state.paths.length >= PATH_LIMIT) return state;
  return { ...state, paths: [...state.paths, after].sort((one, other) => one.path - other.path) };
}

function pathAfter(path: PathSignals, observation: Observation): PathSignals {
  switch (observation.signal) {
    case "execution": {
      const execution = executions.has(observation.value) ? (observation.value as Execution) : null;
      const executionLive = path.executionLive || observation.quality !== "UNAVAILABLE";
      if (execution === path.execution && executionLive === path.executionLive && (execution !== null || path.why === "unavailable")) return path;
      return { ...path, execution, executionLive, why: execution === null ? "unavailable" : path.why };
    }
    case "controller_mode": {
      // Since 2.0 the schema lists FEED_HOLD as a mode: automatic, held (mtconnect.md §7).
      const value = observation.value === "FEED_HOLD" ? "AUTOMATIC" : observation.value;
      const mode = modes.has(value) ? (value as ControllerMode) : null;
      const modeLive = path.modeLive || observation.quality !== "UNAVAILABLE";
      if (mode === path.mode && modeLive === path.modeLive) return path;
      return { ...path, mode, modeLive, why: mode === null && path.execution !== null ? "unavailable" : path.why };
    }
    case "emergency_stop":
      return text(observation) === path.emergencyStop ? path : { ...path, emergencyStop: text(observation) };
    case "program":
      return named(observation) === path.program ? path : { ...path, program: named(observation) };
    case "subprogram":
      return named(observation) === path.subprogram ? path : { ...path, subprogram: named(observation) };
    case "program_comment":
      return named(observation) === path.comment ? path : { ...path, comment: named(observation) };
    default:
      return path;
  }
}
