/** One observation as a feed gives it, and as the ring keeps it: rendered once, served any number of times. */
import type { Dialect } from "./dialect.ts";
import { elementName, type Item } from "./model.ts";
import { escapeAttribute, escapeText } from "./xml.ts";

export type Level = "NORMAL" | "WARNING" | "FAULT" | "UNAVAILABLE";

export interface SimulatedObservation {
  /** Data item: id, name or Source text. */
  readonly item: string;
  /** Name or uuid of the device; needed where a name occurs in several. */
  readonly device?: string;
  /** Stamp, verbatim, or Unix ms. */
  readonly at: string | number;
  /** Text of the observation; of a condition its level, in any case. */
  readonly value: string;
  /** Of a condition; `nativeCode` also of a Message. */
  readonly nativeCode?: string;
  readonly nativeSeverity?: string;
  readonly qualifier?: string;
  readonly conditionId?: string;
  readonly text?: string;
  /** Further attributes: duration, resetTriggered, sampleCount… */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Only with recorded documents: the sequence it had, and its element as it was. */
  readonly sequence?: number;
  readonly xml?: string;
}

export interface Entry {
  readonly item: Item;
  readonly sequence: number;
  readonly xml: string;
  /** Level of a condition; empty for samples and events. */
  readonly level: Level | "";
  /** Which of several active conditions: conditionId, else native code. */
  readonly key: string;
  /** Entries of a data set; null for everything else. */
  readonly set: ReadonlyMap<string, string> | null;
}

const LEVELS: Readonly<Record<string, Level>> = { NORMAL: "NORMAL", WARNING: "WARNING", FAULT: "FAULT", UNAVAILABLE: "UNAVAILABLE" };
const ELEMENT: Readonly<Record<Level, string>> = { NORMAL: "Normal", WARNING: "Warning", FAULT: "Fault", UNAVAILABLE: "Unavailable" };

/** Unix ms → ISO with six fractional digits, as the reference agent stamps. */
export const stampOf = (at: string | number): string => (typeof at === "string" ? at : new Date(at).toISOString().replace("Z", "000Z"));
/** Stamp → Unix ms; without a zone it is UTC (mtconnect.md §8). NaN when it is no stamp. */
export const stampMs = (at: string | number): number => (typeof at === "number" ? at : Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/u.test(at) ? at : `${at}Z`));

export function render(observation: SimulatedObservation, item: Item, sequence: number, dialect: Dialect): Entry {
  const level = item.category === "CONDITION" ? LEVELS[observation.value.trim().toUpperCase()] ?? "UNAVAILABLE" : "";
  const key = observation.conditionId ?? observation.nativeCode ?? "";
  const set = item.representation === "DATA_SET" && observation.value.toUpperCase() !== "UNAVAILABLE" ? entriesOf(observation.value) : null;
  if (observation.xml !== undefined) return { item, sequence, xml: observation.xml, level, key, set: null };
  const stamp = stampOf(observation.at);
  const attributes: [string, string | undefined][] = dialect.family === "cpp1"
    ? [["dataItemId", item.id], ["timestamp", stamp], ["name", item.name], ["sequence", String(sequence)], ["subType", item.subType]]
    : [["dataItemId", item.id], ["name", item.name], ["sequence", String(sequence)], ["subType", item.subType], ["timestamp", stamp]];
  if (level !== "") attributes.push(["type", item.type], ["conditionId", observation.conditionId]);
  if (level !== "" || observation.nativeCode !== undefined) attributes.push(["nativeCode", observation.nativeCode], ["nativeSeverity", observation.nativeSeverity], ["qualifier", observation.qualifier]);
  if (set !== null) attributes.push(["count", String(set.size)]);
  for (const extra of Object.entries(observation.attributes ?? {})) attributes.push(extra);
  let written = "";
  for (const [name, value] of attributes) if (value !== undefined && value !== "") written += ` ${name}="${escapeAttribute(value)}"`;
  const element = level === "" ? elementName(item) : ELEMENT[level];
  const content = set === null ? escapeText(level === "" ? observation.value : observation.text ?? "") : renderSet(set);
  return { item, sequence, level, key, set, xml: content === "" && level !== "" ? `<${element}${written}/>` : `<${element}${written}>${content}</${element}>` };
}

export const isLevel = (text: string): boolean => LEVELS[text.trim().toUpperCase()] !== undefined;

/** `k=v k2={v w} k3='v'`, `k=` and `k` remove (mtconnect.md §11). */
function entriesOf(value: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const [, key = "", braced, quoted, plain] of value.matchAll(/([^\s=]+)(?:=(?:\{([^}]*)\}|["']([^"']*)["']|(\S*)))?/gu)) entries.set(key, braced ?? quoted ?? plain ?? "");
  return entries;
}
const renderSet = (set: ReadonlyMap<string, string>): string => [...set]
  .map(([key, value]) => (value === "" ? `<Entry key="${escapeAttribute(key)}" removed="true"/>` : `<Entry key="${escapeAttribute(key)}">${escapeText(value)}</Entry>`)).join("");

/** The whole set, for current: the newest entry's element with all keys that are left. */
export function wholeSet(newest: Entry, set: ReadonlyMap<string, string>): Entry {
  const left = new Map([...set].filter(([, value]) => value !== ""));
  const open = newest.xml.slice(0, newest.xml.indexOf(">")).replace(/ count="\d+"/u, ` count="${left.size}"`);
  const element = elementName(newest.item);
  return { ...newest, set: left, xml: `${open}>${renderSet(left)}</${element}>` };
}
