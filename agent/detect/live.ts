/** Current values for `…/live/{name}`: what an observation changed, and what a gap took away. Never in the ledger. */
import { liveName, type LiveValue } from "../contract/finding.ts";
import type { Observation } from "../contract/observation.ts";
import type { MachineRules } from "../contract/rules.ts";
import type { Moment } from "./moment.ts";
import { mainPath } from "./signals.ts";

/** The state and the alarms tell theirs themselves. */
export function addLiveValues(rules: MachineRules, moment: Moment): void {
  const { event, out } = moment;
  if (event.kind === "tick") return;
  if (moment.before.signals.paths !== moment.after.signals.paths) addLost(rules, moment);
  if (event.kind === "gap") return;
  const [only] = event.items;
  if (event.items.length === 1 && only) {
    if (only.signal !== "alarm") out.push(liveOf(rules, only));
    return;
  }
  const last = new Map<string, LiveValue>();
  for (const item of event.items) {
    if (item.signal === "alarm") continue;
    const finding = liveOf(rules, item);
    last.set(finding.name, finding);
  }
  for (const finding of last.values()) out.push(finding);
}

function liveOf(rules: MachineRules, item: Observation): LiveValue {
  return { kind: "live", name: liveName(rules.mainPath, item), value: item.value, at: item.at };
}

/** What nobody reported as lost and yet is: by a gap, or with the source's availability. */
function addLost(rules: MachineRules, { at, event, before, after, out }: Moment): void {
  const told = (signal: string): boolean => event.kind === "observations" && event.items.some((item) => item.signal === signal);
  const [was, is] = [mainPath(rules, before.signals), mainPath(rules, after.signals)];
  if (was?.execution && !is?.execution && !told("execution")) out.push({ kind: "live", name: "execution", value: null, at });
  if (was?.mode && !is?.mode && !told("controller_mode")) out.push({ kind: "live", name: "controller_mode", value: null, at });
  if (was?.program && !is?.program && !told("program")) out.push({ kind: "live", name: "program", value: null, at });
}
