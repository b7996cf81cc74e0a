/**
 * Why a stop happened, as far as the machine's own facts and the site's rules say. Rules are in order of precedence: the
 * first rule in the list that fits anything seen during the stop wins, so a later fact can only replace the reason by
 * one the site ranks higher. Limits: rules see the state of the moment and the alarms active then; at most 100 alarms.
 */
import type { DowntimeCategory, MachineState } from "../contract/record.ts";
import type { ReasonRule } from "../contract/rules.ts";
import type { UnixMs } from "../contract/time.ts";
import { matchesGlob } from "./glob.ts";

export interface Reason {
  /** Place of its rule in the list; lower wins. */
  readonly rank: number;
  readonly code: string;
  readonly text: string | null;
  readonly category: DowntimeCategory | null;
  /** Event time of the fact that gave it. */
  readonly at: UnixMs;
}

/** An alarm that is active now, as rules and `firstAlarm` need it. */
export interface StandingAlarm {
  readonly recordId: string;
  readonly code: string;
  readonly text: string;
  readonly fault: boolean;
}

/** More active alarms at once than any control shows; further ones are not looked at until some clear. */
export const ALARM_LIMIT = 100;

function fits(rule: ReasonRule, state: MachineState, alarms: readonly StandingAlarm[]): boolean {
  if (rule.state !== undefined && rule.state !== state) return false;
  const pattern = rule.alarm;
  return pattern === undefined || alarms.some((alarm) => matchesGlob(pattern, alarm.code) || matchesGlob(pattern, alarm.text));
}

/** The reason after looking at the facts of this moment: a rule ranked above the present one, else the present one. */
export function reasonAfter(
  present: Reason | null,
  rules: readonly ReasonRule[],
  facts: { readonly state: MachineState; readonly alarms: readonly StandingAlarm[]; readonly at: UnixMs },
): Reason | null {
  const rank = rules.findIndex((rule) => fits(rule, facts.state, facts.alarms));
  const rule = rules[rank];
  if (!rule || (present && present.rank <= rank)) return present;
  return { rank, code: rule.code, text: rule.text ?? null, category: rule.category ?? null, at: facts.at };
}
