/** What adds up during a cycle: time by activity, spindle time, tool changes, the alarms raised. */
import type { Observation } from "../contract/observation.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { OpenCycle } from "./cycle-parts.ts";
import type { Moment } from "./moment.ts";
import type { Activity } from "./picture.ts";
import { isMainPath } from "./signals.ts";

/** Signals that accompany a cycle; remembered between cycles too. */
export interface Companions {
  /** Whether each spindle turns above the least speed; null: not known. Empty: no spindle has ever reported a speed. */
  readonly spindles: Readonly<Record<string, boolean | null>>;
  readonly tool: string | null;
}
export const initialCompanions: Companions = { spindles: {}, tool: null };

const SPINDLE_LIMIT = 8;
const ALARM_LIMIT = 50;

const turns = ({ spindles }: Companions): boolean => Object.values(spindles).includes(true);
const speedsKnown = ({ spindles }: Companions): boolean => {
  const all = Object.values(spindles);
  return all.length > 0 && !all.includes(null);
};
/** Whether spindle time can be told for a cycle that starts now. */
export const spindleKnown = speedsKnown;

/** Brings the sums up to `at`; `activity` is what went on since. */
export function accountUntil(open: OpenCycle, at: UnixMs, activity: Activity, companions: Companions): OpenCycle {
  const ms = at - open.since;
  const spindleSince = at > open.spindleSince ? at : open.spindleSince;
  if (ms <= 0 && spindleSince === open.spindleSince) return open;
  const running = activity === "run";
  const { inCycleMs, heldMs, spindleMs, tools } = open.sums;
  return {
    ...open, since: at, spindleSince,
    sums: {
      inCycleMs: running ? inCycleMs + ms : inCycleMs, heldMs: running ? heldMs : heldMs + ms, tools,
      spindleMs: running && turns(companions) ? spindleMs + (spindleSince - open.spindleSince) : spindleMs,
    },
  };
}

/** One accompanying observation. Its stamp may lie beside the event's: spindle time goes by the stamp, never back. */
export function accompany(
  rules: MachineRules,
  now: { readonly open: OpenCycle | null; readonly companions: Companions },
  observation: Observation,
  activity: Activity,
): { readonly open: OpenCycle | null; readonly companions: Companions } {
  const { open, companions } = now;
  if (observation.signal === "tool") {
    if (!isMainPath(rules, observation)) return now;
    const tool = typeof observation.value === "string" || typeof observation.value === "number" ? String(observation.value) : null;
    if (tool === companions.tool) return now;
    if (open === null) return { open, companions: { ...companions, tool } };
    const changed = tool !== null && companions.tool !== null;
    return { open: { ...open, toolsKnown: open.toolsKnown && tool !== null, sums: changed ? { ...open.sums, tools: open.sums.tools + 1 } : open.sums }, companions: { ...companions, tool } };
  }
  const key = `${observation.path ?? ""}/${observation.item ?? ""}`;
  const rpm = observation.value === null ? Number.NaN : Math.abs(Number(observation.value));
  const turning = Number.isNaN(rpm) ? null : rpm > rules.cycle.spindleMinimumRpm;
  const known = companions.spindles[key];
  if (known === turning || (known === undefined && (turning === null || Object.keys(companions.spindles).length >= SPINDLE_LIMIT))) return now;
  const next = { ...companions, spindles: { ...companions.spindles, [key]: turning } };
  if (open === null) return { open, companions: next };
  const at = observation.at > open.spindleSince ? observation.at : open.spindleSince;
  const spindleMs = open.sums.spindleMs + (activity === "run" && turns(companions) ? at - open.spindleSince : 0);
  return { open: { ...open, spindleSince: unixMs(at), spindleKnown: open.spindleKnown && turning !== null, sums: { ...open.sums, spindleMs } }, companions: next };
}

/** Alarms that the findings of this instant raise or clear. */
export function withAlarms(open: OpenCycle, { out }: Moment): OpenCycle {
  let next = open;
  for (const finding of out) {
    if (finding.kind === "alarm-raised") {
      const { recordId, alarm } = finding;
      const listed = next.alarmIds.includes(recordId) || next.alarmIds.length >= ALARM_LIMIT;
      const fault = alarm.severity === "FAULT" && !next.faults.includes(recordId) && next.faults.length < ALARM_LIMIT;
      next = { ...next, alarmIds: listed ? next.alarmIds : [...next.alarmIds, recordId], faults: fault ? [...next.faults, recordId] : next.faults };
    } else if (finding.kind === "alarm-cleared" && next.faults.includes(finding.recordId)) next = { ...next, faults: next.faults.filter((id) => id !== finding.recordId) };
  }
  return next;
}
