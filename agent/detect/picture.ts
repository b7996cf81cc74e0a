/**
 * What a machine is doing, read from its signals alone: the precedence of design.md §2 and mtconnect.md §7.
 *
 *   power off > not known > emergency stop > fault while not executing > manual, MDI, edit > executing > held > ready
 *
 * On a control with several paths the machine runs when any runs in automatic; alarms and emergency stops of any path
 * count; mode comes from the main path. Positive evidence of power off outranks "not known": they must never merge.
 */
import type { MachineState, Mode } from "../contract/record.ts";
import type { ControllerMode, Observation } from "../contract/observation.ts";
import type { MachineEvent } from "../contract/detector.ts";
import type { MachineRules } from "../contract/rules.ts";
import { afterObservation, mainPath, type PathSignals, type SignalsState, type UnknownReason } from "./signals.ts";

/** What matters to a cycle: `manual` is executing outside automatic, `end` is not executing at all. */
export type Activity = "unknown" | "off" | "estop" | "run" | "wait" | "hold" | "manual" | "end";

export interface Picture {
  readonly state: MachineState;
  readonly mode: Mode;
  readonly activity: Activity;
  readonly because: UnknownReason | null;
  /** Whether a program is under way: a hold outside one is READY. `unknown` when we did not see how it came to be. */
  readonly within: "in" | "out" | "unknown";
}

export const initialPicture: Picture = { state: "UNKNOWN", mode: "unknown", activity: "unknown", because: "not-reported", within: "unknown" };

const MODE: Readonly<Record<ControllerMode, Mode>> = { AUTOMATIC: "auto", SEMI_AUTOMATIC: "auto", MANUAL: "manual", MANUAL_DATA_INPUT: "mdi", EDIT: "edit" };
const isAutomatic = (path: PathSignals): boolean => !path.modeLive || path.mode === "AUTOMATIC" || path.mode === "SEMI_AUTOMATIC";

interface Seen {
  run: boolean;
  wait: boolean;
  manual: boolean;
  held: "HELD" | "PROGRAM_STOP" | null;
  triggered: boolean;
  live: boolean;
  unknown: UnknownReason | null;
}

function look(rules: MachineRules, signals: SignalsState): Seen {
  const seen: Seen = { run: false, wait: false, manual: false, held: null, triggered: false, live: false, unknown: null };
  for (const path of signals.paths) {
    seen.triggered ||= path.emergencyStop === "TRIGGERED";
    if (!path.executionLive) continue;
    seen.live = true;
    if (path.execution === null || (path.modeLive && path.mode === null)) {
      seen.unknown ??= path.why;
      continue;
    }
    switch (path.execution) {
      case "ACTIVE": case "WAIT":
        if (!isAutomatic(path)) seen.manual = true;
        else if (path.execution === "ACTIVE") seen.run = true;
        else seen.wait = true;
        break;
      case "FEED_HOLD": case "INTERRUPTED":
        if (seen.held === null || path.path === rules.mainPath) seen.held = "HELD";
        break;
      case "PROGRAM_STOPPED": case "OPTIONAL_STOP":
        if (seen.held === null || path.path === rules.mainPath) seen.held = "PROGRAM_STOP";
        break;
      case "READY": case "STOPPED": case "PROGRAM_COMPLETED":
        break;
    }
  }
  return seen;
}

/** The picture that these signals give, after the picture `was`. */
export function pictureOf(rules: MachineRules, signals: SignalsState, was: Picture): Picture {
  const seen = look(rules, signals);
  const main = mainPath(rules, signals);
  const mode = main?.mode ? MODE[main.mode] : "unknown";
  const make = (state: MachineState, activity: Activity, within: Picture["within"]): Picture => ({ state, mode, activity, because: null, within });
  if (signals.power === "OFF") return make("OFF", "off", "out");
  const because = whyUnknown(signals, seen);
  if (because !== null) return { state: "UNKNOWN", mode, activity: "unknown", because, within: "unknown" };
  if (seen.triggered) return make("ESTOP", "estop", "out");
  const holding = seen.held !== null && was.within !== "out";
  const still = holding && !seen.manual ? "hold" : "end";
  const within = holding ? was.within : "out";
  if (!seen.run && !seen.wait && !seen.manual && hasFault(signals)) return make("ALARM", still, within);
  if (seen.run) return make("RUNNING", "run", "in");
  if (seen.wait) return make("WAITING", "wait", was.within === "unknown" ? "unknown" : "in");
  if (seen.manual) return make("MANUAL", "manual", "out");
  if (main && !isAutomatic(main)) return make("MANUAL", still, within);
  return seen.held && holding ? make(seen.held, "hold", within) : make("READY", "end", "out");
}

function whyUnknown(signals: SignalsState, seen: Seen): UnknownReason | null {
  if (signals.availability === "UNAVAILABLE") return "unavailable";
  if (!seen.live) return signals.why;
  return seen.run || seen.wait ? null : seen.unknown;
}

function hasFault(signals: SignalsState): boolean {
  for (const _ in signals.faults) return true;
  return false;
}

/** The observation of `event` with which `reached` became true first, applied one after the other; undefined when a gap or time did it. */
export function opener(
  rules: MachineRules,
  from: { readonly signals: SignalsState; readonly picture: Picture },
  event: MachineEvent,
  reached: (picture: Picture) => boolean,
): Observation | undefined {
  if (event.kind !== "observations") return undefined;
  let { signals, picture } = from;
  for (const observation of event.items) {
    const next = afterObservation(rules, signals, observation);
    if (next !== signals) {
      signals = next;
      picture = pictureOf(rules, signals, picture);
      if (reached(picture)) return observation;
    }
  }
  return event.items.findLast(({ signal }) => signal === "execution") ?? event.items[0];
}
