/**
 * What a machine was doing, from what was said: design.md §2 (precedence) and mtconnect.md §7, §8, written from those
 * texts. Everything said at one millisecond is applied before anything is decided.
 */
import type { Recording } from "./recordings.ts";
import type { Said } from "./said.ts";

export type Doing = "RUNNING" | "HELD" | "PROGRAM_STOP" | "WAITING" | "READY" | "ALARM" | "ESTOP" | "MANUAL" | "OFF" | "UNKNOWN";

/** The machine from `at` on. */
export interface Look {
  readonly at: number;
  readonly doing: Doing;
  readonly execution: string;
  /** Not in manual, MDI or edit; a machine that never reports a mode counts as automatic. */
  readonly automatic: boolean;
  readonly program: string | null;
  /** Part counts said at this instant, in order; null is UNAVAILABLE. */
  readonly counts: readonly (number | null)[];
}

export interface Clamps {
  /** Stamps before the same item's previous one, over all items of the recording (mtconnect.md §8). */
  readonly sameItem: number;
  /** Deciding stamps before an earlier deciding one of any item: placed at that one, since time of a machine does not go back. */
  readonly machine: number;
  readonly largestMs: number;
}

interface Known {
  execution: string | null;
  executionLive: boolean;
  mode: string | null;
  modeLive: boolean;
  availability: string | null;
  /** Was ever AVAILABLE: an item that never was has no source behind it, and its UNAVAILABLE says nothing (mtconnect.md §7). */
  availabilityLive: boolean;
  stop: string | null;
  power: string | null;
  program: string | null;
  faults: Map<string, Set<string>>;
  /** A program is under way as far as we know: false only once it was seen to have ended. */
  within: boolean;
}

export function looksOf(recording: Recording, all: readonly Said[]): { readonly looks: readonly Look[]; readonly clamps: Clamps; readonly until: number } {
  const names = recording.items;
  const deciding = new Set<string>(Object.values(names));
  const known: Known = { execution: null, executionLive: false, mode: null, modeLive: false, availability: null, availabilityLive: false, stop: null, power: null, program: null, faults: new Map(), within: true };
  const looks: Look[] = [];
  const clamp = { sameItem: 0, machine: 0, largestMs: 0 };
  const lastOf = new Map<string, number>();
  let now = Number.NEGATIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  let counts: (number | null)[] = [];
  const settle = (): void => {
    if (Number.isFinite(now)) looks.push(look(known, now, counts));
    counts = [];
  };
  for (const said of all) {
    until = Math.max(until, said.at);
    const before = lastOf.get(said.item);
    if (before !== undefined && said.at < before) clamp.sameItem += 1;
    lastOf.set(said.item, Math.max(before ?? said.at, said.at));
    if (!deciding.has(said.item) && said.code === undefined) continue;
    if (said.at < now) {
      clamp.machine += 1;
      clamp.largestMs = Math.max(clamp.largestMs, now - said.at);
    } else if (said.at > now) {
      settle();
      now = said.at;
    }
    if (said.item === names.partCount) counts.push(/^unavailable$/i.test(said.value) ? null : Math.trunc(Number(said.value)));
    else learn(known, names, said);
  }
  settle();
  return { looks, clamps: clamp, until };
}

/** UNAVAILABLE is not a value: null. */
const valueOf = ({ value }: Said): string | null => (/^unavailable$/i.test(value.trim()) ? null : value.trim());

function learn(known: Known, names: Recording["items"], said: Said): void {
  const value = valueOf(said);
  if (said.code !== undefined) return learnCondition(known.faults, said, said.code);
  switch (said.item) {
    case names.execution:
      known.execution = value === "PROGRAM_OPTIONAL_STOP" ? "OPTIONAL_STOP" : value;
      known.executionLive ||= value !== null;
      break;
    case names.mode:
      known.mode = value;
      known.modeLive ||= value !== null;
      break;
    case names.availability:
      known.availability = value ?? "UNAVAILABLE";
      known.availabilityLive ||= value !== null;
      // What the adapter said before it was lost holds no longer, until said again.
      if (value === null) known.execution = null;
      break;
    case names.emergencyStop: known.stop = value; break;
    case names.power: known.power = value; break;
    case names.program: known.program = value === "" ? null : value; break;
  }
}

/** Normal without a code clears the whole item; with one, that one. UNAVAILABLE: nothing is known to be active. */
function learnCondition(faults: Map<string, Set<string>>, { item, value }: Said, code: string): void {
  const active = faults.get(item) ?? new Set<string>();
  if (value === "UNAVAILABLE" || (value === "NORMAL" && code === "")) active.clear();
  else if (value === "FAULT") active.add(code);
  else active.delete(code);
  faults.set(item, active);
}

const MANUAL = new Set(["MANUAL", "MANUAL_DATA_INPUT", "EDIT"]);
const HELD: Readonly<Record<string, Doing>> = { FEED_HOLD: "HELD", INTERRUPTED: "HELD", PROGRAM_STOPPED: "PROGRAM_STOP", OPTIONAL_STOP: "PROGRAM_STOP" };

function look(known: Known, at: number, counts: readonly (number | null)[]): Look {
  const automatic = known.mode === null || !MANUAL.has(known.mode);
  const doing = doingOf(known, automatic);
  if (doing === "UNKNOWN") known.within = true;
  else if (doing === "RUNNING" || doing === "WAITING") known.within = true;
  else if (!(known.execution !== null && known.execution in HELD) || doing === "ESTOP" || doing === "OFF") known.within = false;
  return { at, doing, execution: known.execution ?? "UNAVAILABLE", automatic, program: known.program, counts };
}

function doingOf(known: Known, automatic: boolean): Doing {
  if (known.power === "OFF") return "OFF";
  const { execution } = known;
  if ((known.availabilityLive && known.availability === "UNAVAILABLE") || execution === null || (known.modeLive && known.mode === null)) return "UNKNOWN";
  if (known.stop === "TRIGGERED") return "ESTOP";
  const executing = execution === "ACTIVE" || execution === "WAIT";
  if (!executing && [...known.faults.values()].some((codes) => codes.size > 0)) return "ALARM";
  if (!automatic) return "MANUAL";
  if (executing) return execution === "WAIT" ? "WAITING" : "RUNNING";
  return (known.within && HELD[execution]) || "READY";
}
