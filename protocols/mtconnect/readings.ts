/**
 * Observations → readings, with the conditions folded (conditions.ts). Pure: the sets go in and come out, so that how
 * documents are cut, and restarts between them, change nothing.
 */
import type { Reading } from "../../agent/contract/observation.ts";
import { foldCondition, type ConditionSets } from "./conditions.ts";
import type { Observed } from "./document.ts";
import type { ChosenItem } from "./items.ts";
import { decodeValue, UNAVAILABLE, type Valued } from "./values.ts";

/** Over all items of one device; beyond, new ones are not taken up, so that a cursor stays small. */
const ALARMS_IN_ALL = 256;

export interface Folded {
  readonly readings: readonly Reading[];
  readonly conditions: ConditionSets;
}

export interface Origin {
  readonly instance: string;
  readonly initial: boolean;
}

export function readingsOf(observations: readonly Observed<ChosenItem>[], before: ConditionSets, origin: Origin): Folded {
  const conditions: Record<string, ConditionSets[string]> = { ...before };
  let changed = false;
  const readings = observations.map((observed): Reading => {
    const { item } = observed;
    if (item.value !== "condition") return readingOf(observed, decodeValue(item.value, observed.text, item), origin);
    changed = true;
    return readingOf(observed, foldInto(conditions, observed), origin);
  });
  return { readings, conditions: changed ? conditions : before };
}

function foldInto(conditions: Record<string, ConditionSets[string]>, observed: Observed<ChosenItem>): Valued {
  const before = conditions[observed.item.id] ?? [];
  const after = foldCondition(before, observed);
  if (after === null) {
    delete conditions[observed.item.id];
    return UNAVAILABLE;
  }
  const grows = after.length > before.length;
  const full = grows && Object.values(conditions).reduce((sum, set) => sum + set.length, 0) >= ALARMS_IN_ALL;
  const set = full ? before : after;
  conditions[observed.item.id] = set;
  return { quality: "GOOD", value: set };
}

const readingOf = ({ item, sequence, at }: Observed<ChosenItem>, valued: Valued, { instance, initial }: Origin): Reading => ({
  kind: "reading", signal: item.signal, item: item.id, instance, position: sequence,
  ...(item.path !== null && { path: item.path }), ...(at !== null && { sourceTime: at }), ...(initial && { initial }), ...valued,
});
