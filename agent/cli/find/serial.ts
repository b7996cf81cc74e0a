/** Serial adapters by their stable names. They are not opened: what hangs on one nobody can tell, and bytes for another device may move a machine. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Kinds } from "../../config/kinds.ts";
import type { Stanza } from "./stanza.ts";

/** Paths of the adapters that are plugged in. */
export const serialPorts = async (folder: string): Promise<readonly string[]> => (await readdir(folder).catch(() => [])).toSorted((one, other) => (one < other ? -1 : 1)).map((name) => join(folder, name));

/** One for each path and kind that reads serial lines, as comments. */
export async function serialStanzas(paths: readonly string[], { sources }: Kinds): Promise<readonly Stanza[]> {
  const stanzas: Stanza[] = [];
  for (const { kind, survey } of paths.length === 0 ? [] : sources) {
    const keysOf = survey === undefined ? undefined : (await survey.load()).serialKeys;
    if (keysOf === undefined) continue;
    for (const path of paths) stanzas.push({ kind, keys: keysOf(path), where: basename(path), isSure: false, comments: [`serial adapter ${path}: if ${kind} hangs on it, set baud and parity as at the device and take out the # below`] });
  }
  return stanzas;
}
