/**
 * Cycles and parts, from what the machine was doing: design.md §4 "Cycle" and records.md §6, written from those texts.
 *
 * A cycle opens where the machine begins to run in automatic, and ends where execution ends (READY, STOPPED,
 * PROGRAM_COMPLETED), at an emergency stop, where it executes outside automatic, where the main program becomes another,
 * where the source is lost, and at a counter step after which it stays ACTIVE for longer than 5 s. Holds do not end it,
 * nor does a fault or a change of mode during one.
 */
import type { Look } from "./states.ts";

export const COUNTER_JOIN_MS = 5_000;
/** A larger step up is a counter that was set or not yet initialised, not parts. */
const LARGEST_STEP = 100;

interface Open {
  readonly start: number;
  readonly inCycleMs: number;
  readonly program: string | null;
}
export interface TrueCycle extends Open {
  readonly end: number;
  readonly heldMs: number;
  readonly endedBy: "completed" | "ready" | "stopped" | "estop" | "left automatic" | "program changed" | "source lost" | "power off" | "counter";
}
export interface TrueStep {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  /** 0 where the counter was set or went back. */
  readonly parts: number;
}

export function stepsOf(looks: readonly Look[]): readonly TrueStep[] {
  const steps: TrueStep[] = [];
  let value: number | null = null;
  let lost = true;
  for (const { at, counts } of looks) {
    for (const count of counts) {
      if (count === null) {
        lost = true;
        continue;
      }
      // An adapter's initial value: 0 at once after it connects, and then the true one (mtconnect.md §7).
      if (lost && count === 0 && value !== null && value > 0) continue;
      if (value !== null && count !== value) steps.push({ at, from: value, to: count, parts: count > value && count - value <= LARGEST_STEP ? count - value : 0 });
      value = count;
      lost = false;
    }
  }
  return steps;
}

export function cyclesOf(looks: readonly Look[], steps: readonly TrueStep[], until: number): { readonly cycles: readonly TrueCycle[]; readonly open: number | null } {
  const boundaries = new Set(steps.filter((step) => step.parts > 0 && activeAfter(looks, step.at, until)).map(({ at }) => at));
  const cycles: TrueCycle[] = [];
  let open: Open | null = null;
  let before: Look | null = null;
  for (const look of looks) {
    if (open && before?.doing === "RUNNING") open = ranFor(open, look.at - before.at);
    if (open) {
      const why = endOf(look, open.program) ?? (boundaries.has(look.at) && look.doing === "RUNNING" ? "counter" : null);
      if (why) {
        const ended: Open = open;
        cycles.push({ ...ended, end: look.at, heldMs: look.at - ended.start - ended.inCycleMs, endedBy: why });
        open = null;
      } else if (look.program !== null) open = { ...open, program: look.program };
    }
    if (!open && look.doing === "RUNNING") open = { start: look.at, inCycleMs: 0, program: look.program };
    before = look;
  }
  return { cycles, open: open === null ? null : open.start };
}

const ranFor = (open: Open, ms: number): Open => ({ ...open, inCycleMs: open.inCycleMs + ms });

function endOf(look: Look, program: string | null): TrueCycle["endedBy"] | null {
  if (look.doing === "UNKNOWN") return "source lost";
  if (look.doing === "OFF") return "power off";
  if (look.doing === "ESTOP") return "estop";
  if (look.execution === "PROGRAM_COMPLETED") return "completed";
  if (look.execution === "READY") return "ready";
  if (look.execution === "STOPPED") return "stopped";
  if ((look.execution === "ACTIVE" || look.execution === "WAIT") && !look.automatic) return "left automatic";
  return program !== null && look.program !== null && look.program !== program ? "program changed" : null;
}

/** ACTIVE from `at` for longer than the join window. */
function activeAfter(looks: readonly Look[], at: number, until: number): boolean {
  for (const look of looks) {
    if (look.at >= at && look.doing !== "RUNNING") return look.at - at > COUNTER_JOIN_MS;
  }
  return until - at > COUNTER_JOIN_MS;
}
