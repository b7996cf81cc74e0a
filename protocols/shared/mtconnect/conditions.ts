/**
 * Conditions, folded: after each observation the whole set of what is active on that data item (mtconnect.md §7,
 * Conditions). Pure; the sets lie in the cursor, so that a restart goes on with them. Identity: conditionId, else native
 * code, else item and text. A set is ordered by key: the same however it came about.
 */
import type { ActiveAlarm } from "../../../agent/contract/observation.ts";
import { UNAVAILABLE, type Valued } from "../points.ts";
import type { Observed } from "./observed.ts";
import { detached } from "./text.ts";

/** Per data item id; an item that is absent is not known. */
export type ConditionSets = Readonly<Record<string, readonly ActiveAlarm[]>>;

/** More conditions than any control shows at once: beyond, new ones on the same item are not taken up. */
export const ALARMS_PER_ITEM = 64;
/** Over all items of one device; beyond, new ones are not taken up, so that a cursor stays small. */
const ALARMS_IN_ALL = 256;
const TEXT_LIMIT = 256;

const LEVELS: ReadonlySet<string> = new Set(["UNAVAILABLE", "NORMAL", "WARNING", "FAULT"]);

interface ConditionItem {
  readonly id: string;
  /** Condition type of the model, where the observation does not name it. */
  readonly type: string;
}

/** The item's set after the observation; null: unavailable. Throws nothing; an unknown level changes nothing. */
export function foldCondition(before: readonly ActiveAlarm[], observed: Observed<ConditionItem>): readonly ActiveAlarm[] | null {
  const code = cut(observed.nativeCode);
  const id = cut(observed.conditionId);
  switch (observed.level.toUpperCase()) {
    case "UNAVAILABLE": return null;
    case "NORMAL": return code === "" && id === "" ? [] : before.filter((alarm) => !clears(alarm, id, code));
    case "WARNING": return raise(before, alarmOf(observed, "WARNING", { id, code }));
    case "FAULT": return raise(before, alarmOf(observed, "FAULT", { id, code }));
    default: return before;
  }
}

/** Changes `conditions`: the item's set after the observation, as a value. */
export function foldInto(conditions: Record<string, readonly ActiveAlarm[]>, observed: Observed<ConditionItem>): Valued {
  const before = conditions[observed.item.id] ?? [];
  const after = foldCondition(before, observed);
  // Nothing is known, and an unknown level says nothing.
  const isUnknown = conditions[observed.item.id] === undefined && !LEVELS.has(observed.level.toUpperCase());
  if (after === null || isUnknown) {
    delete conditions[observed.item.id];
    return UNAVAILABLE;
  }
  const grows = after.length > before.length;
  const full = grows && Object.values(conditions).reduce((sum, set) => sum + set.length, 0) >= ALARMS_IN_ALL;
  const set = full ? before : after;
  conditions[observed.item.id] = set;
  return { quality: "GOOD", value: set };
}

const cut = (text: string | null): string => detached((text ?? "").trim().slice(0, TEXT_LIMIT));

const clears = (alarm: ActiveAlarm, id: string, code: string): boolean => (id === "" ? alarm.code === code || alarm.key === code : alarm.key === id);

function alarmOf(observed: Observed<ConditionItem>, severity: ActiveAlarm["severity"], { id, code }: { readonly id: string; readonly code: string }): ActiveAlarm {
  const text = cut(observed.text);
  return { key: id || code || `${observed.item.id}:${text}`, code, severity, text, nativeType: cut(observed.type) || observed.item.type };
}

function raise(before: readonly ActiveAlarm[], alarm: ActiveAlarm): readonly ActiveAlarm[] {
  const others = before.filter(({ key }) => key !== alarm.key);
  if (others.length >= ALARMS_PER_ITEM) return before;
  return [...others, alarm].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
