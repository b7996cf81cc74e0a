/** Serial adapters by their stable names. They are not opened: what hangs on one nobody can tell, and bytes for another device may move a machine. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Kinds } from "../../config/kinds.ts";
import type { Stanza } from "./stanza.ts";

/** One for each kind that reads serial lines, as comments. */
export async function serialAdapters(folder: string, { sources }: Kinds): Promise<readonly Stanza[]> {
  const names = await readdir(folder).catch(() => []);
  const stanzas: Stanza[] = [];
  for (const { kind, survey } of names.length === 0 ? [] : sources) {
    const keysOf = survey === undefined ? undefined : (await survey.load()).serialKeys;
    if (keysOf === undefined) continue;
    for (const name of names.toSorted((one, other) => (one < other ? -1 : 1))) {
      const path = join(folder, name);
      stanzas.push({ kind, keys: keysOf(path), where: name, isSure: false, comments: [`serial adapter ${path}: if ${kind} hangs on it, set baud and parity as at the device and take out the # below`] });
    }
  }
  return stanzas;
}
