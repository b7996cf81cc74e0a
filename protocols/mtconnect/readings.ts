/**
 * Observations → readings, with the conditions folded (conditions.ts). Pure: the sets go in and come out, so that how
 * documents are cut, and restarts between them, change nothing.
 */
import type { Reading } from "../../agent/contract/observation.ts";
import { foldInto, type ConditionSets } from "../shared/mtconnect/conditions.ts";
import type { Sequenced } from "./document.ts";
import type { ChosenItem } from "../shared/mtconnect/items.ts";
import { decodeValue } from "../shared/mtconnect/values.ts";
import type { Valued } from "../shared/points.ts";

export interface Folded {
  readonly readings: readonly Reading[];
  readonly conditions: ConditionSets;
}

export interface Origin {
  readonly instance: string;
  readonly initial: boolean;
}

export function readingsOf(observations: readonly Sequenced<ChosenItem>[], before: ConditionSets, origin: Origin): Folded {
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

const readingOf = ({ item, sequence, at }: Sequenced<ChosenItem>, valued: Valued, { instance, initial }: Origin): Reading => ({
  kind: "reading", signal: item.signal, item: item.id, instance, position: sequence,
  ...(item.path !== null && { path: item.path }), ...(at !== null && { sourceTime: at }), ...(initial && { initial }), ...valued,
});
