/** A map for an adapter whose keys nobody has named yet, put together from what it sends (signals.ts). For people. */
import { KEY_ROWS } from "./signals.ts";

const SHOWN_KEYS = 40;

/** What an adapter sent of a key, to tell conditions from other items. */
export interface Seen {
  readonly key: string;
  readonly isCondition: boolean;
}

/** Key → signal, for the keys we recognise; each signal once, all conditions. */
export function proposedMap(all: readonly Seen[]): Readonly<Record<string, string>> {
  // `MILL:execution`: one device's alone, the first that is named; a key without one goes before it.
  const prefix = prefixOf(all.find(({ key }) => prefixOf(key) !== "")?.key ?? "");
  const seen = all.filter(({ key }) => ["", prefix].includes(prefixOf(key)));
  const byName = new Map(seen.toSorted((one, other) => prefixOf(other.key).length - prefixOf(one.key).length).map(({ key }) => [key.slice(prefixOf(key).length).toLowerCase(), key]));
  const usual = KEY_ROWS.flatMap(({ signal, keys }) => {
    const key = keys.find((name) => byName.has(name));
    return key === undefined ? [] : [[byName.get(key) ?? key, signal] as const];
  });
  return Object.fromEntries([...usual, ...seen.filter(({ isCondition }) => isCondition).map(({ key }) => [key, "alarm"] as const)]);
}

const prefixOf = (key: string): string => key.slice(0, key.indexOf(":") + 1);

/** One sentence: what it sends, and what could be put into the YAML. */
export function proposal(seen: readonly Seen[]): string {
  if (seen.length === 0) return "it has sent no item yet";
  const keys = seen.map(({ key }) => key);
  const shown = `${keys.slice(0, SHOWN_KEYS).join(", ")}${keys.length > SHOWN_KEYS ? `, and ${keys.length - SHOWN_KEYS} more` : ""}`;
  const map = Object.entries(proposedMap(seen)).map(([key, signal]) => `${quoted(key)}: ${signal}`).join(", ");
  return map === "" ? `it sends ${shown}: none of them is a usual name; name them under map` : `look this over and put it under map: {${map}}; it sends ${shown}`;
}

const quoted = (key: string): string => (/^[A-Za-z_][A-Za-z0-9_]*$/u.test(key) ? key : JSON.stringify(key));
