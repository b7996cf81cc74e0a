/**
 * Current values as a checkpoint has them, so that a restart can show, hide and bring back what does not change again:
 * a board is empty after it, and a broker may be another one. And what is left of them when the source is lost. Pure.
 */
import { liveName, type LiveValue } from "../../contract/finding.ts";
import { ACCOMPANYING_SIGNALS, DECIDING_SIGNALS, type ActiveAlarm, type Reading } from "../../contract/observation.ts";
import { unixMs } from "../../contract/time.ts";
import type { Standing } from "./revise.ts";
import type { StampState } from "../time/stamp-state.ts";

type Recalled = Pick<StampState, "known" | "shiftMs" | "seen" | "axis">;

const signals: ReadonlySet<string> = new Set([...DECIDING_SIGNALS, ...ACCOMPANYING_SIGNALS]);
/** That no alarm is active is known as little as that one is. */
const isOfSource = (name: string): boolean => signals.has(name.split("/")[0] ?? "") || name.startsWith("point/") || name === "alarms";

export function recalled(stamp: Recalled, standing: Standing, mainPath: number): readonly LiveValue[] {
  const reached = stamp.seen ?? stamp.axis;
  if (reached === null) return [];
  const values: LiveValue[] = [];
  const add = (name: string, value: LiveValue["value"], at = reached): void => void values.push({ kind: "live", name, value, at });
  const known = Object.values(stamp.known);
  for (const reading of known)
    if (reading.signal !== "alarm") add(liveName(mainPath, reading), reading.value, reading.sourceTime === undefined ? reached : unixMs(Math.min(reached, reading.sourceTime + (stamp.shiftMs ?? 0))));
  const alarms = known.flatMap(activeIn);
  if (known.some(({ signal, value }) => signal === "alarm" && value !== null)) add("alarms", alarms);
  const open = Object.values(standing);
  for (const record of open) if (record.type === "state") add("state", record.body.state, record.start);
  const stop = open.find((record) => record.type === "downtime");
  if (stop) add("downtime", stop.body.reasonText ?? stop.body.reasonCode ?? stop.body.category, stop.start);
  else add("downtime", null);
  return values;
}

/** The source is lost from `at` on: what its detectors do not take back themselves. */
export const lost = (values: readonly LiveValue[], at: LiveValue["at"]): readonly LiveValue[] =>
  values.filter(({ name, value }) => value !== null && isOfSource(name)).map(({ name }): LiveValue => ({ kind: "live", name, value: name === "availability" ? "UNAVAILABLE" : null, at }));

function activeIn({ signal, value }: Reading): readonly ActiveAlarm[] {
  return signal === "alarm" && typeof value === "object" && value !== null ? value : [];
}
