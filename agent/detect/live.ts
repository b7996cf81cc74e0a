/** Current values for `…/live/{name}`: what an observation changed, and what a gap took away. Never in the ledger. */
import type { LiveValue } from "../contract/finding.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { Moment } from "./moment.ts";
import { mainPath } from "./signals.ts";

/** Signals of further paths carry the path's number: `execution/2`. The state and the alarms tell theirs themselves. */
export function addLiveValues(rules: MachineRules, { at, event, before, out }: Moment): void {
  if (event.kind === "tick") return;
  if (event.kind === "gap") {
    const main = mainPath(rules, before.signals);
    const lost = { execution: main?.execution, controller_mode: main?.mode, program: main?.program };
    for (const [name, value] of Object.entries(lost)) if (value !== null && value !== undefined) out.push({ kind: "live", name, value: null, at });
    return;
  }
  const last = new Map<string, LiveValue>();
  for (const { signal, value, path, at: since } of event.items) {
    if (signal === "alarm") continue;
    const name = path === undefined || path === rules.mainPath ? signal : `${signal}/${path}`;
    last.set(name, { kind: "live", name, value, at: since });
  }
  for (const finding of last.values()) out.push(finding);
}
